"""Points as OTLP requests."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1 import metrics_pb2

from exporter import __version__
from exporter.metrics import catalogue
from exporter.metrics.attributes import MODEL
from exporter.metrics.snapshot import Point, Snapshot
from exporter.otlp.exporter import requests_of, resource_of
from exporter.status import DURATION_BOUNDS
from tests.otlp import samples


def encoded(snapshot: Snapshot, size: int = 1000) -> list[ExportMetricsServiceRequest]:
    return list(requests_of(snapshot, resource_of(samples.RESOURCE), size))


def metrics(snapshot: Snapshot) -> dict[str, metrics_pb2.Metric]:
    [request] = encoded(snapshot)
    return {m.name: m for m in request.resource_metrics[0].scope_metrics[0].metrics}


def numbers(request: ExportMetricsServiceRequest) -> list[metrics_pb2.NumberDataPoint]:
    return [
        point
        for metric in request.resource_metrics[0].scope_metrics[0].metrics
        for point in (*metric.gauge.data_points, *metric.sum.data_points)
    ]


def attributes(point: metrics_pb2.NumberDataPoint) -> dict[str, str]:
    return {pair.key: pair.value.string_value for pair in point.attributes}


def test_resource_and_scope_say_who_exports() -> None:
    [request] = encoded(samples.snapshot())
    [resource] = request.resource_metrics
    told = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
    assert told == samples.RESOURCE
    assert resource.scope_metrics[0].scope.name == "bytespike-exporter"
    assert resource.scope_metrics[0].scope.version == __version__


def test_a_gauge_keeps_name_unit_description_and_time() -> None:
    metric = metrics(samples.snapshot(samples.balance(31.4)))["bytespike.wallet.balance"]
    assert (metric.unit, metric.description) == ("USD", catalogue.WALLET_BALANCE.description)
    [point] = metric.gauge.data_points
    assert (point.as_double, point.time_unix_nano) == (31.4, samples.NOW)
    assert point.start_time_unix_nano == 0


def test_a_counter_is_cumulative_monotonic_and_keeps_its_start() -> None:
    metric = metrics(samples.snapshot(samples.cost(2.5)))["bytespike.usage.cost"]
    assert metric.sum.is_monotonic
    assert metric.sum.aggregation_temporality == metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE
    [point] = metric.sum.data_points
    assert point.start_time_unix_nano == samples.START
    assert attributes(point) == dict(
        zip(catalogue.USAGE_COST.attributes, samples.SERIES, strict=True)
    )


def test_money_is_a_double_and_what_is_counted_an_integer_zero_included() -> None:
    cost, tokens = samples.cost(), samples.tokens(7)
    found = metrics(
        samples.snapshot(cost, tokens, zeros=(samples.zero(cost), samples.zero(tokens)))
    )
    money = found["bytespike.usage.cost"].sum.data_points
    count = found["bytespike.usage.tokens"].sum.data_points
    assert [point.WhichOneof("value") for point in money] == ["as_double", "as_double"]
    assert [point.WhichOneof("value") for point in count] == ["as_int", "as_int"]
    assert [point.as_int for point in count] == [0, 7]


def test_zero_points_stand_before_the_values_at_their_start() -> None:
    first, second = samples.cost(1.0, "a"), samples.cost(2.0, "b")
    zeros = (samples.zero(second), samples.zero(first))
    points = metrics(samples.snapshot(first, second, zeros=zeros))["bytespike.usage.cost"].sum
    found = [(attributes(p)[MODEL], p.as_double, p.time_unix_nano) for p in points.data_points]
    start, now = samples.START, samples.NOW
    assert found == [("b", 0.0, start), ("a", 0.0, start), ("a", 1.0, now), ("b", 2.0, now)]


def test_a_zero_point_without_a_series_is_sent_all_the_same() -> None:
    lonely = samples.zero(samples.tokens())
    assert "bytespike.usage.tokens" in metrics(samples.snapshot(samples.balance(), zeros=(lonely,)))


def test_a_histogram_keeps_counts_bounds_sum_and_extremes() -> None:
    metric = metrics(samples.snapshot(samples.duration(0.07, 400.0)))[
        "bytespike.exporter.poll.duration"
    ]
    [point] = metric.histogram.data_points
    assert tuple(point.explicit_bounds) == DURATION_BOUNDS
    assert (point.count, point.sum, point.min, point.max) == (2, 400.07, 0.07, 400.0)
    assert list(point.bucket_counts) == [0, 1] + [0] * 9 + [1]
    assert point.start_time_unix_nano == samples.START


def test_an_attribute_that_is_none_is_left_out() -> None:
    metric = metrics(samples.snapshot(samples.balance(account=None)))["bytespike.wallet.balance"]
    assert list(metric.gauge.data_points[0].attributes) == []


def test_a_number_that_is_none_has_no_point() -> None:
    found = metrics(
        samples.snapshot(
            samples.cost(float("nan"), "a"), samples.cost(float("inf"), "b"), samples.balance()
        )
    )
    assert list(found) == ["bytespike.wallet.balance"]


def test_an_integer_beyond_64_bits_is_sent_as_the_largest() -> None:
    metric = metrics(samples.snapshot(samples.tokens(2**70)))["bytespike.usage.tokens"]
    assert metric.sum.data_points[0].as_int == 2**63 - 1


def test_a_lone_surrogate_becomes_a_replacement_character() -> None:
    point = samples.cost(1.0, "a\ud800b é 😀 \x00")
    [sent] = metrics(samples.snapshot(point))["bytespike.usage.cost"].sum.data_points
    assert attributes(sent)[MODEL] == "a\ufffdb é 😀 \x00"


def test_an_empty_snapshot_makes_no_request() -> None:
    assert encoded(Snapshot(samples.NOW, ())) == []


@given(
    values=st.lists(
        st.tuples(st.text(st.characters(), max_size=5), st.booleans(), st.integers(0, 2**70)),
        max_size=40,
        unique_by=lambda value: value[0],
    ),
    size=st.integers(1, 9),
)
def test_any_split_sends_every_point_once_and_all_zero_points_first(
    values: list[tuple[str, bool, int]], size: int
) -> None:
    points = [
        Point(catalogue.USAGE_REQUESTS, (*samples.SERIES[:3], model), count, samples.NOW, 1)
        for model, _, count in values
    ]
    zeros = tuple(
        samples.zero(point) for point, value in zip(points, values, strict=True) if value[1]
    )
    batches = list(map(numbers, encoded(Snapshot(samples.NOW, tuple(points), zeros), size)))
    assert all(0 < len(batch) <= size for batch in batches)
    times = [point.time_unix_nano for batch in batches for point in batch]
    assert times == [samples.START] * len(zeros) + [samples.NOW] * len(points)

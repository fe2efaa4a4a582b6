"""What is built by hand is what the SDK's own encoder makes of the same points."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.metrics.export import Histogram as SdkHistogram
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from exporter import __version__
from exporter.live import DURATION_BOUNDS, Histogram
from exporter.metrics.catalogue import Kind
from exporter.metrics.snapshot import Point, Snapshot
from exporter.otlp.points import requests_of, resource_of
from tests.otlp import samples

CUMULATIVE = AggregationTemporality.CUMULATIVE


def attributes(point: Point) -> dict[str, str]:
    pairs = zip(point.metric.attributes, point.attributes, strict=True)
    return {name: value for name, value in pairs if value is not None}


def number(point: Point) -> NumberDataPoint:
    assert not isinstance(point.value, Histogram)
    money = point.metric.unit in ("USD", "s")
    value = float(point.value) if money else int(point.value)
    return NumberDataPoint(attributes(point), point.start_ns, point.time_ns, value)


def histogram(point: Point) -> HistogramDataPoint:
    assert isinstance(point.value, Histogram)
    value = point.value
    return HistogramDataPoint(
        attributes(point),
        point.start_ns,
        point.time_ns,
        value.count,
        value.sum,
        tuple(value.counts),
        DURATION_BOUNDS,
        value.min,
        value.max,
    )


def official(points: list[Point]) -> ExportMetricsServiceRequest:
    """The points, all of one metric, as the SDK encodes them."""
    metric = points[0].metric
    data: Gauge | Sum | SdkHistogram
    if metric.kind is Kind.GAUGE:
        data = Gauge([number(point) for point in points])
    elif metric.kind is Kind.COUNTER:
        data = Sum([number(point) for point in points], CUMULATIVE, is_monotonic=True)
    else:
        data = SdkHistogram([histogram(point) for point in points], CUMULATIVE)
    sdk_metric = Metric(metric.name, metric.description, metric.unit, data)
    scope = InstrumentationScope("bytespike-exporter", __version__)
    inner = ScopeMetrics(scope, [sdk_metric], schema_url="")
    return encode_metrics(
        MetricsData([ResourceMetrics(Resource(dict(samples.RESOURCE)), [inner], schema_url="")])
    )


def ours(points: list[Point]) -> ExportMetricsServiceRequest:
    [request] = requests_of(Snapshot(samples.NOW, tuple(points)), resource_of(samples.RESOURCE))
    return request


MODELS = st.text(st.characters(codec="utf-8"), max_size=20)
AMOUNTS = st.floats(0, 1e12, allow_nan=False)
COUNTS = st.integers(0, 2**63 - 1)
SECONDS = st.lists(st.floats(0, 1000, allow_nan=False), min_size=1, max_size=5)


@given(st.lists(st.tuples(AMOUNTS, MODELS), min_size=1, max_size=5))
def test_money_is_encoded_as_the_sdk_encodes_it(amounts: list[tuple[float, str]]) -> None:
    points = [samples.cost(amount, model) for amount, model in amounts]
    assert ours(points) == official(points)


@given(st.lists(COUNTS, min_size=1, max_size=5))
def test_counts_are_encoded_as_the_sdk_encodes_them(counts: list[int]) -> None:
    points = [samples.tokens(count) for count in counts]
    assert ours(points) == official(points)


@given(st.lists(AMOUNTS, min_size=1, max_size=5), st.none() | MODELS)
def test_gauges_are_encoded_as_the_sdk_encodes_them(
    amounts: list[float], account: str | None
) -> None:
    points = [samples.balance(amount, account) for amount in amounts]
    assert ours(points) == official(points)


@given(st.lists(SECONDS, min_size=1, max_size=3))
def test_histograms_are_encoded_as_the_sdk_encodes_them(durations: list[list[float]]) -> None:
    points = [samples.duration(*seconds) for seconds in durations]
    assert ours(points) == official(points)

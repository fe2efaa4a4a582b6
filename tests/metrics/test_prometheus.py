"""`/metrics`: names and labels as Prometheus' OTLP translation makes them, in both formats."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from prometheus_client import Metric as Family
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.ledger.totals import AccountTotals
from exporter.live import Live
from exporter.metrics import catalogue
from exporter.metrics.catalogue import CATALOGUE
from exporter.metrics.metric import Metric, MetricKind, Origin
from exporter.metrics.prometheus import label_name, negotiate, prometheus_name, render
from exporter.metrics.snapshot import Point, Snapshot, take
from exporter.status import Histogram
from tests.metrics.realistic import GOLDEN, NOW, golden, snapshot
from tests.metrics.strategies import worlds

# Their functions carry no types.
_read_openmetrics: Callable[[str], Iterable[Family]] = parse_openmetrics
_read_text: Callable[[str], Iterable[Family]] = parse_text

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
World = tuple[Live, dict[str, AccountTotals]]


def _samples(families: Iterable[Family]) -> Samples:
    found: Samples = {}
    for family in families:
        for sample in family.samples:
            series = sample.name, frozenset(sample.labels.items())
            assert series not in found
            found[series] = float(sample.value)
    return found


def _expected(taken: Snapshot, openmetrics: bool) -> Samples:
    """What a snapshot should read as, written without the module under test but for names."""
    wanted: Samples = {}
    for point in taken.points:
        name = prometheus_name(point.metric)
        given = zip(point.metric.attributes, point.attributes, strict=True)
        labels = {key.replace(".", "_"): value for key, value in given if value is not None}
        series = frozenset(labels.items())
        if isinstance(point.value, Histogram):
            wanted |= _histogram(name, labels, point.value, openmetrics)
        else:
            wanted[name, series] = float(point.value)
        if openmetrics and point.start_ns:
            wanted[f"{name.removesuffix('_total')}_created", series] = point.start_ns / 10**9
    return wanted


def _histogram(
    name: str, labels: dict[str, str], histogram: Histogram, openmetrics: bool
) -> Samples:
    series = frozenset(labels.items())
    wanted: Samples = {(f"{name}_sum", series): histogram.sum}
    wanted[f"{name}_count", series] = float(histogram.count)
    whole = ("1", "5", "10", "30", "60", "300")
    one, five, *more = (f"{bound}.0" for bound in whole) if openmetrics else whole
    bounds = ("0.05", "0.1", "0.25", "0.5", one, "2.5", five, *more, "+Inf")
    for index, bound in enumerate(bounds):
        below = float(sum(histogram.counts[: index + 1]))
        wanted[f"{name}_bucket", series | {("le", bound)}] = below
    return wanted


@pytest.mark.parametrize("name", golden())
def test_a_realistic_account_looks_as_it_did(name: str) -> None:
    assert golden()[name] == (GOLDEN / name).read_text(encoding="utf-8")


@settings(max_examples=50)
@given(worlds())
def test_openmetrics_reads_back_as_the_snapshot(world: World) -> None:
    taken = take(*world, NOW)
    families = list(_read_openmetrics(render(taken, openmetrics=True).decode()))
    found = _samples(families)
    wanted = _expected(taken, openmetrics=True)
    assert found.keys() == wanted.keys()
    for series, value in wanted.items():
        assert found[series] == pytest.approx(value, rel=1e-15, abs=0)
    for family in families:
        assert family.documentation


@settings(max_examples=50)
@given(worlds())
def test_plain_text_reads_back_as_the_snapshot_without_start_times(world: World) -> None:
    taken = take(*world, NOW)
    found = _samples(_read_text(render(taken, openmetrics=False).decode()))
    assert found == _expected(taken, openmetrics=False)
    assert not [name for name, _ in found if name.endswith("_created")]


def test_openmetrics_tells_type_unit_and_help_of_every_family() -> None:
    families = {f.name: f for f in _read_openmetrics(render(snapshot(), True).decode())}
    for metric in CATALOGUE:
        family = families[prometheus_name(metric).removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind, metric.description)
        units = {"USD": "USD", "s": "seconds", "1": "ratio"}
        assert family.unit == units.get(metric.unit, "")


def test_plain_text_names_a_counter_by_its_samples_and_has_no_openmetrics_lines() -> None:
    text = render(snapshot(), openmetrics=False).decode()
    assert "\n# TYPE bytespike_usage_cost_USD_total counter\n" in text
    assert "# UNIT" not in text
    assert "# EOF" not in text
    assert text.endswith("\n")


def test_zero_points_are_not_for_scrapes() -> None:
    taken = snapshot()
    without = Snapshot(taken.time_ns, taken.points)
    assert taken.zero_points
    assert render(taken, openmetrics=True) == render(without, openmetrics=True)


@pytest.mark.parametrize(
    "value",
    ["\\", "\n", '"', "\\n", '\\"', "a\\", '"} 1\n# EOF\n', "\r", "\t", "\x00", "\u2028", "…"],
)
def test_no_label_value_can_break_out_of_its_quotes(value: str) -> None:
    point = Point(catalogue.WALLET_BALANCE, (value,), 1.0, 1)
    wanted = {("bytespike_wallet_balance_USD", frozenset({("bytespike_account_name", value)})): 1.0}
    taken = Snapshot(1, (point,))
    assert _samples(_read_text(render(taken, openmetrics=False).decode())) == wanted
    assert _samples(_read_openmetrics(render(taken, openmetrics=True).decode())) == wanted


def test_a_label_that_cannot_be_written_in_utf_8_costs_its_character_only() -> None:
    point = Point(catalogue.WALLET_BALANCE, ("a\ud800b",), 1.0, 1)
    text = render(Snapshot(1, (point,)), openmetrics=False).decode()
    sample = 'bytespike_wallet_balance_USD{bytespike_account_name="a\ufffdb"} 1.0'
    assert text.splitlines()[-1] == sample


def test_buckets_are_bounded_as_the_otlp_translation_spells_it_and_openmetrics_demands() -> None:
    assert b',le="1"} ' in render(snapshot(), openmetrics=False)
    assert b',le="1.0"} ' in render(snapshot(), openmetrics=True)


def test_an_empty_snapshot_is_an_empty_exposition() -> None:
    assert render(Snapshot(1, ()), openmetrics=False) == b""
    assert render(Snapshot(1, ()), openmetrics=True) == b"# EOF\n"


def test_a_counter_whose_start_is_unknown_has_no_created_line() -> None:
    point = Point(catalogue.WALLET_SPEND, ("a",), 1.0, 1, 0)
    assert b"_created" not in render(Snapshot(1, (point,)), openmetrics=True)


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        (catalogue.WALLET_BALANCE, "bytespike_wallet_balance_USD"),
        (catalogue.WALLET_LOW, "bytespike_wallet_low_balance_active"),
        (catalogue.USAGE_COST, "bytespike_usage_cost_USD_total"),
        (catalogue.USAGE_TOKENS, "bytespike_usage_tokens_total"),
        (catalogue.QUOTA_UTILIZATION, "bytespike_quota_utilization_ratio"),
        (catalogue.RATE_RESET, "bytespike_rate_limit_reset_timestamp_seconds"),
        (catalogue.POLL_DURATION, "bytespike_exporter_poll_duration_seconds"),
        (catalogue.SERIES_FOLDED, "bytespike_exporter_series_folded"),
        (catalogue.GATEWAY_UP, "bytespike_gateway_up"),
    ],
)
def test_names_are_those_of_the_otlp_translation(metric: Metric, name: str) -> None:
    assert prometheus_name(metric) == name


def test_no_two_metrics_and_no_two_attributes_meet_in_prometheus() -> None:
    assert len({prometheus_name(metric) for metric in CATALOGUE}) == len(CATALOGUE)
    attributes = {attribute for metric in CATALOGUE for attribute in metric.attributes}
    assert len({label_name(attribute) for attribute in attributes}) == len(attributes)


@pytest.mark.parametrize(("kind", "unit"), [(MetricKind.GAUGE, "By"), (MetricKind.COUNTER, "1")])
def test_a_unit_without_a_known_translation_is_refused(kind: MetricKind, unit: str) -> None:
    metric = Metric("bytespike.new", kind, unit, "New.", Origin.SELF, ())
    with pytest.raises(ValueError, match=r"bytespike\.new: no Prometheus name"):
        prometheus_name(metric)


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        ("", False),
        ("*/*", False),
        ("text/html", False),
        ("text/plain;version=0.0.4", False),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text;version=0.0.1", False),
        ("application/openmetrics-text;version=2.0.0", False),
        ("application/openmetrics-text;q=0.5,text/plain;q=0.5", True),
        ("application/vnd.google.protobuf;q=0.7,text/plain;version=0.0.4;q=0.3", False),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
            "application/openmetrics-text;version=0.0.1;q=0.4,"
            "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
            "text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            True,
        ),
        ("application/openmetrics-text;version=new", False),
        (";;,,q=;=,", False),
    ],
)
def test_openmetrics_is_for_those_who_ask_for_it(accept: str, openmetrics: bool) -> None:
    assert negotiate(accept) is openmetrics


def test_the_process_metrics_stand_beside_ours_and_clash_with_none() -> None:
    ours = {prometheus_name(metric) for metric in CATALOGUE}
    families = _read_text(render(snapshot(), openmetrics=False, process=True).decode())
    added = {family.name for family in families} - {name.removesuffix("_total") for name in ours}
    assert added == {
        "process_virtual_memory_bytes", "process_resident_memory_bytes",
        "process_start_time_seconds", "process_cpu_seconds", "process_open_fds", "process_max_fds",
        "python_info",
    }  # fmt: skip
    assert list(_read_openmetrics(render(snapshot(), openmetrics=True, process=True).decode()))

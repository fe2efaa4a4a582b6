"""What holds for every snapshot, whatever live and totals it is taken of."""

from __future__ import annotations

import math
from collections import Counter
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.gateway.readings import Endpoint
from exporter.ledger.totals import AccountTotals
from exporter.live import Live
from exporter.metrics.catalogue import CATALOGUE
from exporter.metrics.metric import MetricKind
from exporter.metrics.snapshot import Point, take
from exporter.money import NANOS_PER_USD
from exporter.status import Histogram
from tests.metrics.realistic import NOW, live
from tests.metrics.strategies import account_totals, worlds

World = tuple[Live, dict[str, AccountTotals]]
_FEWER = settings(max_examples=50)
"""A world is large: fifty of them find what a hundred do, in half the time."""

_COUNTED = ("bytespike.usage.", "bytespike.billing.")


@_FEWER
@given(worlds())
def test_no_series_has_two_points(world: World) -> None:
    taken = take(*world, NOW)
    for points in (taken.points, taken.zero_points):
        seen = Counter((point.metric.name, point.attributes) for point in points)
        assert [series for series, times in seen.items() if times > 1] == []


@_FEWER
@given(worlds())
def test_every_point_fits_the_catalogue(world: World) -> None:
    for point in take(*world, NOW).points:
        assert point.metric in CATALOGUE
        assert len(point.attributes) == len(point.metric.attributes)
        if point.metric.kind is MetricKind.HISTOGRAM:
            assert isinstance(point.value, Histogram)
        else:
            assert isinstance(point.value, int | float)
            assert math.isfinite(point.value)


@_FEWER
@given(worlds())
def test_every_point_stands_after_its_start_and_hardly_in_the_future(world: World) -> None:
    taken = take(*world, NOW)
    for point in taken.points:
        assert point.start_ns < point.time_ns <= taken.time_ns + 1_001_000_000
        assert point.metric.kind is not MetricKind.GAUGE or point.start_ns == 0


@_FEWER
@given(worlds())
def test_every_zero_point_is_followed_by_a_point_of_its_series(world: World) -> None:
    taken = take(*world, NOW)
    points = {(point.metric.name, point.attributes): point for point in taken.points}
    for zero in taken.zero_points:
        later = points[zero.metric.name, zero.attributes]
        assert zero.value == 0
        assert zero.time_ns == zero.start_ns == later.start_ns < later.time_ns
    assert {zero.metric.name.startswith(_COUNTED) for zero in taken.zero_points} <= {True}


@_FEWER
@given(worlds())
def test_only_fresh_series_are_named_as_such(world: World) -> None:
    counted = world[1].values()
    taken = take(*world, NOW)
    assert set(taken.fresh_usage) <= {t.id for some in counted for t in some.usage if t.fresh}
    assert set(taken.fresh_billing) <= {t.id for some in counted for t in some.billing if t.fresh}


@_FEWER
@given(worlds(), st.floats(4000, 1e8))
def test_nothing_that_was_read_shows_when_everything_is_stale(world: World, later: float) -> None:
    always = (
        "bytespike.key.info",
        "bytespike.usage.",
        "bytespike.billing.amount",
        "bytespike.billing.transactions",
    )
    own = ("bytespike.exporter.", "bytespike.gateway.up")
    for point in take(*world, NOW + later).points:
        assert point.metric.name.startswith(always + own)


@_FEWER
@given(worlds())
def test_a_stale_account_reading_shows_nowhere(world: World) -> None:
    made, counted = world
    for account in made.accounts.values():
        if Endpoint.ACCOUNT in account.endpoints:
            account.endpoints[Endpoint.ACCOUNT].last_success = NOW - 180.001
    shown = {point.metric.name for point in take(made, counted, NOW).points}
    hidden = ("bytespike.wallet.", "bytespike.quota.", "bytespike.account.", "bytespike.ledger.")
    assert [name for name in shown if name.startswith(hidden)] == []


@given(account_totals)
def test_money_is_the_double_nearest_to_the_exact_sum(counted: AccountTotals) -> None:
    taken = take(live(), {"prod": counted}, NOW + 3600)
    exact: Counter[tuple[str | None, ...]] = Counter()
    for total in counted.usage:
        exact["prod", total.key_id, total.key_name, total.model] += total.cost
    shown = {p.attributes: p for p in taken.points if p.metric.name == "bytespike.usage.cost"}
    assert shown.keys() == exact.keys()
    for attributes, nanos in exact.items():
        _assert_nearest(shown[attributes], Decimal(nanos).scaleb(-9))


def _assert_nearest(point: Point, usd: Decimal) -> None:
    assert isinstance(point.value, float)
    assert Decimal(point.value) == Decimal(float(usd))


@given(st.integers(0, 10**9 * NANOS_PER_USD // 1000))
def test_whole_micro_usd_read_back_as_written(micros: int) -> None:
    text = str(Decimal(micros).scaleb(-6))
    shown = take(live(), {"prod": AccountTotals(overcount=micros * 1000)}, NOW).points
    [value] = [p.value for p in shown if p.metric.name == "bytespike.usage.overcount"]
    assert value == float(text)

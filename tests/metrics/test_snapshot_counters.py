"""Counters: whose totals they are, when they start, and what goes before the first increment."""

from __future__ import annotations

import msgspec
import pytest

from exporter.errors import Outcome
from exporter.gateway.readings import Endpoint
from exporter.ledger.totals import AccountTotals, BillingTotal, UsageTotal
from exporter.live import Live, LiveAccount
from exporter.metrics.snapshot import Point, Snapshot, take
from exporter.status import Histogram
from tests.metrics.realistic import NOW, NS, STARTED, live, totals, usd

_NOW_NS = int(NOW) * NS
_POLL_BEFORE = _NOW_NS - 60 * NS


def _usage(**changes: object) -> UsageTotal:
    base = UsageTotal(7, "17", "vision", "m", _POLL_BEFORE, False, usd("1"), 20, 3, 4)
    return msgspec.structs.replace(base, **changes)


def _billing(**changes: object) -> BillingTotal:
    base = BillingTotal(5, "topup", "credit", _POLL_BEFORE, False, usd("50"), 1)
    return msgspec.structs.replace(base, **changes)


def _take(counted: AccountTotals | None = None, made: Live | None = None) -> Snapshot:
    return take(made or live(), {"prod": counted or AccountTotals()}, NOW)


def _only_account() -> Live:
    made = Live(STARTED)
    made.accounts["prod"] = LiveAccount("prod", {Endpoint.ACCOUNT: 60.0})
    return made


def _named(points: tuple[Point, ...], prefix: str) -> list[Point]:
    return [point for point in points if point.metric.name.startswith(f"bytespike.{prefix}")]


def _counted(points: tuple[Point, ...]) -> list[Point]:
    """Points of usage, without those that tell how far it was read."""
    return [point for point in _named(points, "usage.") if point.metric.unit != "s"]


def _brief(points: list[Point]) -> list[tuple[str, object, int]]:
    """Name, value and start of each point, in seconds before now."""
    return [
        (p.metric.name.removeprefix("bytespike."), p.value, (_NOW_NS - p.start_ns) // NS)
        for p in points
    ]


def test_usage_and_billing_show_as_counted_while_every_endpoint_is_down() -> None:
    late = NOW + 86_400
    shown = take(live(), totals(), late).points
    assert len(_counted(shown)) == 9
    assert len(_named(shown, "billing.amount")) == 3
    assert len(_named(shown, "billing.transactions")) == 2


def test_what_is_held_back_after_the_start_is_for_the_page_only() -> None:
    made = live()
    made.accounts["prod"].held_back = {Endpoint.USAGE: 1}
    seen = take(made, totals(), NOW)
    for name in ("cost", "tokens", "requests", "overcount"):
        assert not _named((*seen.points, *seen.zero_points), f"usage.{name}")
    assert _named(seen.points, "usage.position")
    assert seen.fresh_usage == ()
    assert len(_named(seen.points, "billing.amount")) == 3
    assert _named(seen.points, "wallet.spend")
    everything = take(made, totals(), NOW, everything=True)
    assert len(everything.points) == len(take(live(), totals(), NOW).points)
    assert everything.fresh_usage == (2,)
    made.accounts["prod"].held_back = {Endpoint.TRANSACTIONS: 1}
    seen = take(made, totals(), NOW)
    assert not _named((*seen.points, *seen.zero_points), "billing.amount")
    assert not _named(seen.points, "billing.transactions")
    assert seen.fresh_billing == ()
    assert _named(seen.points, "usage.cost")


def test_everything_that_leans_on_a_reading_is_absent_once_that_is_stale() -> None:
    shown = take(live(), totals(), NOW + 86_400).points
    for name in (
        "wallet.",
        "ledger.",
        "quota.",
        "rate_limit.",
        "account.",
        "key.quota.",
        "key.limit",
        "key.used",
        "key.expiry.",
        "organization.",
    ):
        assert _named(shown, name) == []
    assert _named(shown, "billing.last_transaction") == []


@pytest.mark.parametrize("endpoint", [Endpoint.ACCOUNT, Endpoint.USAGE])
def test_drift_is_absent_while_either_side_of_it_is_not_read(endpoint: Endpoint) -> None:
    made = live()
    assert _named(_take(AccountTotals(drift=usd("3")), made).points, "ledger.drift")
    made.accounts["prod"].endpoints[endpoint].last_success = NOW - 181
    assert _named(_take(AccountTotals(drift=usd("3")), made).points, "ledger.drift") == []


def test_runway_and_overcount_are_absent_until_they_are_known() -> None:
    shown = _take().points
    assert _named(shown, "wallet.runway") == []
    assert _named(shown, "usage.overcount") == []
    assert _brief(_named(_take(AccountTotals(overcount=0)).points, "usage.overcount"))[0][1] == 0.0


def test_the_wallets_counters_start_at_the_users_creation_and_have_no_zero_point() -> None:
    taken = take(live(), totals(), NOW)
    assert _brief(_named(taken.points, "wallet.topup")) == [("wallet.topup", 250.0, 86_400)]
    assert _brief(_named(taken.points, "wallet.spend")) == [("wallet.spend", 218.6, 86_400)]
    assert _named(taken.zero_points, "wallet.") == []


def test_the_wallets_counters_show_the_high_water_mark_not_the_reading() -> None:
    shown = _take(AccountTotals(topup=usd("300"), spent=usd("299"), wallet_start_ns=NS)).points
    assert [point.value for point in _named(shown, "wallet.topup")] == [300.0]
    assert [point.value for point in _named(shown, "wallet.spend")] == [299.0]


def test_a_fresh_usage_series_is_preceded_by_zeros_at_the_poll_before() -> None:
    taken = _take(AccountTotals(usage=(_usage(fresh=True),)))
    names = ["usage.cost", "usage.tokens", "usage.tokens", "usage.requests"]
    assert _brief(list(taken.zero_points)) == [(name, 0, 60) for name in names]
    assert {point.time_ns for point in taken.zero_points} == {_POLL_BEFORE}
    assert taken.fresh_usage == (7,)
    pairs = zip(taken.zero_points, _counted(taken.points), strict=True)
    assert all(zero.attributes == point.attributes for zero, point in pairs)


def test_a_series_that_a_receiver_has_seen_gets_no_zero_point() -> None:
    taken = _take(AccountTotals(usage=(_usage(),), billing=(_billing(),)))
    assert (taken.zero_points, taken.fresh_usage, taken.fresh_billing) == ((), (), ())


def test_a_new_direction_of_a_known_kind_gets_a_zero_amount_but_no_zero_count() -> None:
    taken = _take(
        AccountTotals(billing=(_billing(), _billing(id=6, direction="debit", fresh=True)))
    )
    assert _brief(list(taken.zero_points)) == [("billing.amount", 0, 60)]
    assert taken.fresh_billing == (6,)


def test_a_new_kind_gets_a_zero_count_at_its_earliest_start() -> None:
    earlier = _POLL_BEFORE - 60 * NS
    debit = _billing(id=6, direction="debit", fresh=True, start_ns=earlier, count=2)
    taken = _take(AccountTotals(billing=(_billing(fresh=True), debit)))
    assert _brief(_named(taken.zero_points, "billing.transactions")) == [
        ("billing.transactions", 0, 120)
    ]
    assert _brief(_named(taken.points, "billing.transactions")) == [
        ("billing.transactions", 3, 120)
    ]


def test_usage_totals_that_look_alike_are_added_up() -> None:
    taken = _take(
        AccountTotals(usage=(_usage(), _usage(id=8, fresh=True, start_ns=_NOW_NS - 30 * NS)))
    )
    assert _brief(_counted(taken.points)) == [
        ("usage.cost", 2.0, 60),
        ("usage.tokens", 40, 60),
        ("usage.tokens", 6, 60),
        ("usage.requests", 8, 60),
    ]
    assert taken.zero_points == ()
    assert taken.fresh_usage == (8,)


def test_a_counter_waits_while_a_clock_that_was_set_back_has_not_reached_its_start() -> None:
    fresh = AccountTotals(usage=(_usage(fresh=True),), billing=(_billing(fresh=True),))
    early = take(live(), {"prod": fresh}, NOW - 3600)
    assert _named(early.points, "usage.cost") == _named(early.points, "billing.") == []
    assert (early.zero_points, early.fresh_usage, early.fresh_billing) == ((), (), ())
    assert len(_take(fresh).zero_points) == 6


def test_a_counter_that_starts_now_stands_after_its_zero_point() -> None:
    taken = _take(AccountTotals(usage=(_usage(fresh=True, start_ns=_NOW_NS),)))
    [cost] = _named(taken.points, "usage.cost")
    assert cost.time_ns - taken.zero_points[0].time_ns == 1_000_000


def test_the_exporters_own_counters_start_with_the_process() -> None:
    shown = take(live(), totals(), NOW).points
    own = [point for point in _named(shown, "exporter.") if point.metric.kind != "gauge"]
    assert len(own) == 15
    assert {point.start_ns for point in own} == {int(STARTED) * NS}


def test_polls_count_from_zero_for_successes_and_appear_otherwise() -> None:
    made = _only_account()
    assert [p.value for p in _named(_take(made=made).points, "exporter.polls")] == [0]
    made.accounts["prod"].endpoints[Endpoint.ACCOUNT].failed(NOW, 1.0, Outcome.AUTH, "401", False)
    shown = _named(_take(made=made).points, "exporter.polls")
    assert {p.attributes[2]: p.value for p in shown} == {"success": 0, "auth": 1}


def test_a_disabled_usage_endpoint_has_no_row_counts_but_keeps_its_totals() -> None:
    shown = _take(AccountTotals(usage=(_usage(),)), _only_account()).points
    assert _named(shown, "exporter.usage.rows") == _named(shown, "exporter.series.folded") == []
    assert len(_counted(shown)) == 4


def test_a_snapshot_does_not_change_when_the_board_does() -> None:
    made = live()
    taken = take(made, {}, NOW)
    before = [_counts(point) for point in taken.points]
    for status in made.accounts["prod"].endpoints.values():
        status.succeeded(NOW, 0.25)
    assert [_counts(point) for point in taken.points] == before


def _counts(point: Point) -> object:
    return list(point.value.counts) if isinstance(point.value, Histogram) else point.value


def test_two_snapshots_of_one_board_are_the_same() -> None:
    first, second = take(live(), totals(), NOW), take(live(), totals(), NOW)
    assert [_counts(point) for point in first.points] == [_counts(p) for p in second.points]
    assert first.zero_points == second.zero_points


def test_the_totals_of_an_account_that_is_no_longer_configured_are_not_shown() -> None:
    shown = take(live(), {"gone": AccountTotals(usage=(_usage(),))}, NOW).points
    assert _counted(shown) == []

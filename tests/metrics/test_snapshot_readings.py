"""What the gateway said shows while it is known, and not a moment longer."""

from __future__ import annotations

import msgspec
import pytest

from exporter.errors import Outcome
from exporter.gateway.readings import AccountReading, Endpoint, Envelope, ModelQuota
from exporter.ledger.totals import AccountTotals
from exporter.live import Live, LiveAccount
from exporter.metrics.snapshot import Point, take
from tests.metrics.realistic import INTERVALS, KEY, NOW, live, reading, totals, usd

_ENVELOPE = ("rate_limit.limit", "rate_limit.remaining", "key.quota.remaining")


def _values(points: tuple[Point, ...], name: str) -> list[object]:
    return [point.value for point in points if point.metric.name == f"bytespike.{name}"]


def _with(account: AccountReading, **changes: object) -> Live:
    made = live()
    made.accounts["prod"].account = msgspec.structs.replace(account, **changes)
    return made


def _shown(made: Live, name: str, now: float = NOW) -> list[object]:
    return _values(take(made, totals(), now).points, name)


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("available", "wallet.balance"),
        ("low_balance_threshold", "wallet.low_balance_threshold"),
        ("low_balance_flagged", "wallet.low_balance_active"),
        ("lifetime_topup", "wallet.topup"),
        ("lifetime_spent", "wallet.spend"),
    ],
)
def test_a_number_that_the_account_reading_lacks_has_no_point(field: str, name: str) -> None:
    assert _shown(_with(reading()), name)
    assert _shown(_with(reading(), **{field: None}), name) == []


def test_a_bare_balance_shows_the_balance_and_nothing_else_of_the_wallet() -> None:
    made = live()
    made.accounts["prod"].account = AccountReading(NOW, available=usd("31.40"))
    made.accounts["prod"].observe(Envelope(NOW, KEY, unreadable=("org_quota_remaining",)))
    names = {point.metric.name for point in take(made, totals(), NOW).points}
    assert {name for name in names if name.startswith("bytespike.wallet.")} == {
        "bytespike.wallet.balance",
        "bytespike.wallet.runway",
    }


@pytest.mark.parametrize("late", [0.0, 0.001])
def test_an_account_reading_shows_for_three_intervals_and_no_longer(late: float) -> None:
    seen = 30.0
    shown = _shown(live(), "wallet.balance", NOW - seen + 180 + late)
    assert shown == ([] if late else [31.4])


def test_a_failed_account_poll_does_not_touch_what_was_read_before() -> None:
    made = live()
    status = made.accounts["prod"].endpoints[Endpoint.ACCOUNT]
    status.failed(NOW, 1.0, Outcome.NETWORK, "refused", False)
    assert _shown(made, "wallet.balance") == [31.4]
    assert _shown(made, "gateway.up") == [0, 0, 1]


def test_a_successful_poll_does_not_make_an_old_reading_new() -> None:
    made = _with(reading(), observed_at=NOW - 181)
    assert _shown(made, "wallet.balance") == []


def test_a_reading_from_the_future_is_unknown_once_the_clock_was_set_back() -> None:
    assert _shown(live(), "wallet.balance", NOW - 3600) == []
    assert _shown(live(), "rate_limit.limit", NOW - 3600) == []


def test_zero_is_a_reading_and_shows() -> None:
    made = _with(reading(), available=0, low_balance_flagged=True)
    assert _shown(made, "wallet.balance") == [0.0]
    assert _shown(made, "wallet.low_balance_active") == [1]


def test_account_info_leaves_out_what_is_unknown() -> None:
    points = take(_with(reading(), tier=None, organization=None), totals(), NOW).points
    [info] = [point for point in points if point.metric.name == "bytespike.account.info"]
    assert info.attributes == ("prod", "88", None, None, None, None)


def test_quotas_show_the_limit_where_capped_and_the_share_where_there_is_one() -> None:
    points = take(live(), totals(), NOW).points
    quotas = {
        name: {
            p.attributes[1]: p.value for p in points if p.metric.name == f"bytespike.quota.{name}"
        }
        for name in ("usage", "limit", "utilization")
    }
    assert quotas == {
        "usage": {"claude-sonnet-4-6": 64.04, "gpt-5-4": 18.22, "forbidden": 0.0},
        "limit": {"gpt-5-4": 50.0, "forbidden": 0.0, "unread": 10.0},
        "utilization": {"gpt-5-4": 0.3644},
    }


def test_a_model_that_is_listed_twice_counts_as_it_stands_first() -> None:
    twice = (ModelQuota("m", usd("1"), usd("4")), ModelQuota("m", usd("3"), usd("4")))
    made = _with(reading(), models=twice)
    assert _shown(made, "quota.usage") == [1.0]
    assert _shown(made, "quota.utilization") == [0.25]


def test_each_number_of_an_envelope_ages_by_itself() -> None:
    account = LiveAccount("prod", INTERVALS)
    made = Live(NOW - 3600)
    made.accounts["prod"] = account
    account.observe(Envelope(NOW - 181, KEY, usd("200"), usd("190"), None, usd("75")))
    account.observe(Envelope(NOW - 180, KEY, remaining=usd("189.5")))
    assert [_shown(made, name) for name in _ENVELOPE] == [[], [189.5], []]


def test_an_envelope_shows_although_every_account_poll_fails() -> None:
    account = LiveAccount("prod", INTERVALS)
    made = Live(NOW - 3600)
    made.accounts["prod"] = account
    account.observe(Envelope(NOW, KEY, key_quota_remaining=0))
    account.endpoints[Endpoint.ACCOUNT].failed(NOW, 1.0, Outcome.RATE_LIMITED, "cap reached", True)
    assert _shown(made, "key.quota.remaining") == [0.0]
    assert _shown(made, "gateway.up") == [1]


def test_a_window_that_has_reset_tells_nothing_of_what_is_left() -> None:
    reset = NOW + 600
    made = live()
    made.accounts["prod"].observe(Envelope(reset - 1, KEY, remaining=usd("1")))
    made.accounts["prod"].observe(Envelope(reset - 1, KEY, limit=usd("200"), reset_at=reset))
    assert _shown(made, "rate_limit.remaining", reset - 0.5) == [1.0]
    assert _shown(made, "rate_limit.reset.timestamp", reset - 0.5) == [reset]
    assert _shown(made, "rate_limit.remaining", reset) == []
    assert _shown(made, "rate_limit.reset.timestamp", reset) == []
    assert _shown(made, "rate_limit.limit", reset) == [200.0]


def test_what_is_left_shows_if_it_was_read_after_the_reset() -> None:
    made = live()
    made.accounts["prod"].observe(Envelope(NOW, KEY, remaining=usd("7"), reset_at=NOW - 5))
    assert _shown(made, "rate_limit.remaining", NOW + 1) == [7.0]
    assert _shown(made, "rate_limit.reset.timestamp", NOW + 1) == []


def test_the_organizations_balance_is_the_newest_that_any_key_was_told() -> None:
    made = live()
    account = made.accounts["prod"]
    account.observe(Envelope(NOW - 5, "sk-byts-…aaaa", org_quota_remaining=usd("900")))
    account.observe(Envelope(NOW - 7, "sk-byts-…bbbb", org_quota_remaining=usd("950")))
    assert _shown(made, "organization.balance") == [900.0]


def test_an_envelope_that_comes_late_does_not_replace_a_newer_one() -> None:
    made = live()
    made.accounts["prod"].observe(Envelope(NOW - 12, KEY, remaining=usd("1")))
    assert _shown(made, "rate_limit.remaining") == [192.4]


def test_an_envelope_after_the_clock_was_set_back_is_taken_over() -> None:
    made = live()
    made.accounts["prod"].observe(Envelope(NOW - 3600, KEY, remaining=usd("1")))
    assert _shown(made, "rate_limit.remaining", NOW - 3599) == [1.0]


@pytest.mark.parametrize("unknown", [float("nan"), float("inf"), -float("inf")])
def test_a_reset_that_is_no_number_has_no_point(unknown: float) -> None:
    made = live()
    made.accounts["prod"].observe(Envelope(NOW, KEY, reset_at=unknown))
    points = take(made, {"prod": AccountTotals()}, NOW).points
    assert _values(points, "rate_limit.reset.timestamp") == []


def test_what_can_no_longer_be_read_is_unknown_at_once() -> None:
    made = live()
    made.accounts["prod"].observe(Envelope(NOW, KEY, unreadable=("remaining",)))
    assert _shown(made, "rate_limit.remaining") == []
    made.accounts["prod"].observe(Envelope(NOW - 12, KEY, unreadable=("limit",)))
    assert _shown(made, "rate_limit.limit") != []


def test_an_account_without_readings_shows_only_the_exporters_own_numbers() -> None:
    made = Live(NOW)
    made.accounts["new"] = LiveAccount("new", INTERVALS)
    names = {point.metric.name.removeprefix("bytespike.") for point in take(made, {}, NOW).points}
    assert names == {
        "exporter.polls",
        "exporter.usage.rows",
        "exporter.exports",
        "exporter.build.info",
    }

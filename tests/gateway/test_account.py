"""`GET /me/account`, field by field (contract §2)."""

from __future__ import annotations

import pytest

from exporter.errors import BadResponseError
from exporter.gateway.account import read_account
from exporter.gateway.readings import ModelQuota, Organization
from tests.gateway.fakes import KEY, NOW, Bench, raw, reply

DOCUMENTED = {
    "user": {
        "id": 88,
        "username": "ada",
        "email": "ada@example.org",
        "created_at": "2026-01-04T07:11:00Z",
        "tier": "individual",
    },
    "balance": {
        "available_usd": 31.40,
        "lifetime_topup_usd": 250.00,
        "lifetime_spent_usd": 218.60,
        "low_balance_threshold_usd": 5.00,
        "low_balance_flagged": False,
    },
    "allowed_models": [
        {"id": "claude-sonnet-4-6", "quota_used_usd": 64.04, "quota_cap_usd": None},
        {"id": "gpt-5-4", "quota_used_usd": 18.22, "quota_cap_usd": 50.00},
    ],
    "org": {"id": 1, "name": "Example AI", "role": "admin"},
}


def test_the_documented_answer_is_read_exactly() -> None:
    bench = Bench(reply(DOCUMENTED))
    reading = bench.account()
    assert reading.observed_at == NOW
    assert (reading.user_id, reading.created_at, reading.tier) == ("88", 1767510660.0, "individual")
    assert reading.available == 31_400_000_000
    assert reading.lifetime_topup == 250_000_000_000
    assert reading.lifetime_spent == 218_600_000_000
    assert reading.low_balance_threshold == 5_000_000_000
    assert reading.low_balance_flagged is False
    assert reading.models == (
        ModelQuota("claude-sonnet-4-6", 64_040_000_000, None),
        ModelQuota("gpt-5-4", 18_220_000_000, 50_000_000_000),
    )
    assert reading.organization == Organization("1", "Example AI", "admin")
    assert str(bench.requests[0].url) == "https://gateway.test/api/v1/me/account"
    assert bench.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("spelled", "nanos"),
    [
        (b"31.40", 31_400_000_000),
        (b'"31.40"', 31_400_000_000),
        (b"3.14e1", 31_400_000_000),
        (b"1234567.123456789", 1_234_567_123_456_789),
    ],
)
def test_balance_may_be_a_bare_number_and_is_never_a_binary_float(
    spelled: bytes, nanos: int
) -> None:
    reading = Bench(raw(b'{"balance": ' + spelled + b"}")).account()
    assert reading.available == nanos
    assert reading.lifetime_spent is None


@pytest.mark.parametrize(
    "bad", ["NaN", "Infinity", "-Infinity", "1e400", "9" * 5000, '"many"', "[]", "true", "{}"]
)
def test_a_wrong_field_is_unknown_and_costs_only_itself(bad: str) -> None:
    body = f'{{"balance": {{"available_usd": {bad}, "lifetime_spent_usd": 2}}}}'
    reading = read_account(body.encode(), NOW)
    assert reading.available is None
    assert reading.lifetime_spent == 2_000_000_000


def test_what_can_be_below_zero_is_read_and_what_cannot_is_told_of() -> None:
    balance = {
        "available_usd": -0.5,
        "lifetime_spent_usd": -1,
        "lifetime_topup_usd": -1,
        "low_balance_threshold_usd": -1,
    }
    models = [{"id": "m", "quota_used_usd": -1, "quota_cap_usd": -1}]
    reading = Bench(reply({"balance": balance, "allowed_models": models})).account()
    assert reading.available == -500_000_000
    assert reading.low_balance_threshold == -(10**9)
    assert reading.models == (ModelQuota("m", -(10**9), None),)
    assert (reading.lifetime_spent, reading.lifetime_topup) == (None, None)
    assert reading.unreadable == (
        "balance.lifetime_topup_usd",
        "balance.lifetime_spent_usd",
        "allowed_models.m.quota_cap_usd",
    )


@pytest.mark.parametrize("said", ["plenty", "$50", "1,050.00", [1], {"usd": 1}, True, ""])
def test_a_balance_that_is_there_and_cannot_be_read_is_told_of(said: object) -> None:
    user = {"id": 88}
    wrapped = Bench(reply({"user": user, "balance": {"available_usd": said}})).account()
    assert (wrapped.available, wrapped.unreadable) == (None, ("balance.available_usd",))
    if not isinstance(said, dict):
        bare = Bench(reply({"user": user, "balance": said})).account()
        assert (bare.available, bare.unreadable) == (None, ("balance",))


@pytest.mark.parametrize("said", ["true", 1, 0, "yes"])
def test_a_flag_is_true_or_false_and_nothing_else(said: object) -> None:
    balance = {"available_usd": 1, "low_balance_flagged": said}
    reading = Bench(reply({"balance": balance})).account()
    assert reading.low_balance_flagged is None
    assert reading.unreadable == ("balance.low_balance_flagged",)


def test_what_is_null_or_missing_is_not_said_and_not_told_of() -> None:
    balance = {"available_usd": None, "low_balance_flagged": None}
    models = [{"id": "m", "quota_cap_usd": None}]
    reading = Bench(reply({"balance": balance, "allowed_models": models})).account()
    assert reading.unreadable == ()


def test_each_model_counts_once_and_bad_entries_are_skipped() -> None:
    models = [None, 3, {"id": None}, {"id": "a", "quota_used_usd": 1}, {"id": "a"}, {"id": "b"}]
    reading = Bench(reply({"allowed_models": models})).account()
    assert reading.models == (ModelQuota("a", 1_000_000_000, None), ModelQuota("b", None, None))


def test_unicode_is_kept_and_lone_surrogates_cannot_break_utf_8() -> None:
    body = rb'{"user": {"tier": "\ud800x"}, "org": {"id": 1, "name": "\u00c5\ud83d\ude00"}}'
    reading = read_account(body, NOW)
    assert reading.tier is not None
    assert reading.tier.encode("utf-8").endswith(b"x")
    assert reading.organization is not None
    assert reading.organization.name == "Å😀"


def test_a_string_without_end_is_cut() -> None:
    reading = Bench(reply({"user": {"tier": "x" * 100_000}})).account()
    assert reading.tier == "x" * 256


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"null", b"{}", b'{"balance": "soon"}', b'{"balance": 3', b'{"org":1}'],
)
def test_an_answer_that_says_nothing_of_the_account_is_bad(body: bytes) -> None:
    with pytest.raises(BadResponseError):
        Bench(raw(body)).account()

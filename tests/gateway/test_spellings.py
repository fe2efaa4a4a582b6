"""Any mixture of spellings reads the same."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import AuthError, BadResponseError, GatewayError
from exporter.gateway.dialects import read_answer
from exporter.gateway.key_account import envelope_of
from exporter.gateway.listing import ListAnswer
from exporter.gateway.readings import KeyLimits, KeyRef, KeyWindow, UsageRow, WindowReading
from exporter.gateway.usage_answer import read_usage
from tests.gateway.fakes import MASKED, NOW, Bench, paged, reply, rfc, row

OWN = KeyRef(masked=MASKED)
KEY = KeyRef("17", MASKED)

ID = [{"request_id": "r1"}, {"id": "r1"}, {"id": 4, "request_id": "r1"}]
INPUT = [{"prompt_tokens": 18}, {"input_tokens": 18}, {"input_tokens": "18"}]
OUTPUT = [{"completion_tokens": 2}, {"output_tokens": 2}]
COST = [
    {"credits": 9120},
    {"actual_cost": 0.00912, "total_cost": 0.5},
    {"actual_cost": "0.00912", "credits": 7},
    {"total_cost": 0.00912},
]
KEYS = [
    {"api_key": {"id": 17, "masked": MASKED}},
    {"api_key": {"id": "17", "key": "sk-byts-0123456789abcdefMARKED9f3c"}},
    {"api_key": MASKED, "api_key_id": 17},
    {"api_key": {"masked": MASKED}, "api_key_id": "17"},
]
WRAPS = [
    lambda answer: answer,
    lambda answer: {"code": 0, "message": "success", "data": answer},
    lambda answer: {"success": True, "data": answer},
]


@given(*(st.sampled_from(choices) for choices in (ID, INPUT, OUTPUT, COST, KEYS)), st.data())
def test_a_row_reads_the_same_in_any_mixture_of_spellings(
    ident: Any, tokens_in: Any, tokens_out: Any, cost: Any, key: Any, data: st.DataObject
) -> None:
    told = ident | tokens_in | tokens_out | cost | key
    told |= {"created_at": rfc(NOW), "model": "m"}
    name = data.draw(st.sampled_from(["items", "data", "rows", "usage"]))
    wrap = data.draw(st.sampled_from(WRAPS))
    answer = read_usage(json.dumps(wrap({name: [told]})).encode(), OWN, 1_000_000)
    assert isinstance(answer, ListAnswer)
    assert answer.rows == (UsageRow("r1", float(int(NOW)), "m", KEY, 9_120_000, 18, 2),)


@pytest.mark.parametrize("cost", [{"actual_cost": -1}, {"actual_cost": "much", "credits": 1}, {}])
def test_a_row_whose_cost_cannot_be_read_is_rejected(cost: dict[str, object]) -> None:
    told = {key: value for key, value in row(1).items() if key != "credits"} | cost
    page, *_ = Bench(reply({"items": [told], "total": 1})).usage()
    assert (page.rows, len(page.rejected)) == ((), 1)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"code": 401, "message": "no", "reason": "INVALID_KEY"}, AuthError),
        ({"code": 1, "message": "no", "data": {"balance": 1}}, BadResponseError),
        ({"success": False, "data": {"balance": 1}}, BadResponseError),
        ({"code": "oops", "message": "no"}, BadResponseError),
    ],
)
def test_a_wrapped_refusal_is_an_error_although_its_status_is_200(
    answer: object, kind: type[GatewayError]
) -> None:
    with pytest.raises(kind):
        Bench(reply(answer)).account()


def test_what_is_not_wrapped_is_left_as_it_is() -> None:
    for answer in ({"data": [1], "total": 1}, {"code": 0, "data": [1], "total": 1}, [1], 7):
        assert read_answer(json.dumps(answer).encode()) == answer


def test_names_that_may_be_secrets_are_only_counted() -> None:
    secret = "sk-byts-0123456789abcdef"
    with pytest.raises(BadResponseError, match='it holds "what", 1 others; expected') as caught:
        Bench(reply({secret: 1, "what": "ever"})).account()
    assert secret not in str(caught.value)
    assert "ever" not in str(caught.value).replace("whatever", "")


STOCK = {
    "mode": "quota_limited",
    "isValid": True,
    "quota": {"limit": 50, "used": 12.5, "remaining": 37.5, "unit": "USD"},
    "remaining": 37.5,
    "unit": "USD",
    "rate_limits": [
        {"window": "5h", "limit": 5, "used": 4, "remaining": 1, "reset_at": rfc(NOW + 60)},
        {"window": "1d", "limit": 20, "remaining": 15},
        {"window": "9y", "limit": 1},
    ],
    "expires_at": rfc(NOW + 3600),
    "usage": {"total": {"actual_cost": 12.5}},
}


def test_the_keys_own_account_tells_its_quota_windows_and_expiry_and_no_wallet() -> None:
    missing = reply({}, 404)
    bench = Bench(lambda asked: (missing if "/me/" in asked.url.path else reply(STOCK))(asked))
    reading = bench.account()
    assert (reading.available, reading.lifetime_spent) == (None, None)
    usd = 10**9
    windows = (
        WindowReading(KeyWindow.FIVE_HOURS, 5 * usd, 4 * usd, float(int(NOW + 60))),
        WindowReading(KeyWindow.DAY, 20 * usd, 5 * usd),
        WindowReading(KeyWindow.LIFETIME, 50 * usd, 12_500_000_000),
    )
    assert reading.key_limits == KeyLimits(windows, float(int(NOW + 3600)))
    (told,) = bench.envelopes
    assert (told.limit, told.remaining, told.key_quota_remaining) == (
        5 * usd,
        usd,
        37_500_000_000,
    )
    assert told == envelope_of(reading.key_limits, MASKED, told.observed_at)
    bench.account()
    assert [one.url.path for one in bench.requests].count("/api/v1/me/account") == 1


@pytest.mark.parametrize(
    ("answer", "available"),
    [
        ({"mode": "unrestricted", "balance": 3, "remaining": 3, "unit": "USD"}, 3 * 10**9),
        ({"mode": "unrestricted", "remaining": -1.5}, -1_500_000_000),
        ({"mode": "unrestricted", "remaining": 9, "subscription": {"daily_usage_usd": 1}}, None),
        ({"mode": "unrestricted", "balance": 3, "unit": "CNY"}, None),
    ],
)
def test_the_wallet_of_a_key_without_a_cap_is_what_remains(
    answer: object, available: int | None
) -> None:
    missing = reply({}, 404)
    bench = Bench(lambda asked: (missing if "/me/" in asked.url.path else reply(answer))(asked))
    assert bench.account().available == available


def test_a_page_of_a_usual_size_is_not_taken_for_the_last_one() -> None:
    rows = [row(number) for number in range(45)]
    silent = {"total": None, "page": None, "page_size": None}
    bench = Bench(paged(rows, size=20, paging=silent))
    assert sum(len(page.rows) for page in bench.usage()) == 45


def test_tokens_of_caches_are_unknown_where_a_row_does_not_tell_them() -> None:
    rows = [row(1), row(2, cache_read_tokens=0, cache_creation_tokens=9)]
    page, *_ = Bench(reply({"items": rows, "total": 2})).usage()
    told = [msgspec.structs.astuple(one)[-2:] for one in page.rows]
    assert told == [(None, None), (0, 9)]

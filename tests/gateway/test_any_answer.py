"""Whatever the gateway answers, only readings or a GatewayError come out."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import GatewayError
from exporter.gateway.account import read_account
from exporter.gateway.fields import credits_to_nanos, instant, range_params
from exporter.gateway.listing import ListAnswer
from exporter.gateway.readings import KeyRef
from exporter.gateway.transactions import read_transactions
from exporter.gateway.usage_answer import read_usage
from exporter.money import MAX_CHARGE_USD, MAX_USD, to_nanos
from tests.gateway.fakes import NOW, bucket, row, transaction

OWN = KeyRef(masked="sk-byts-…9f3c")
NAMES = sorted({*row(0), *bucket(), *transaction(0), "user", "balance", "allowed_models", "org"})
TOP = ["items", "data", "rows", "usage", "buckets", "total", "page_size", "next_cursor", *NAMES]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["2026-05-21T14:00:00Z", "2026-05-21", "sk-byts-…9f3c", "\ud800", "1e999"])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(TOP) | st.text(max_size=3), inner, max_size=8)
    ),
    max_leaves=30,
)


def spoilt(documented: dict[str, object]) -> st.SearchStrategy[dict[str, object]]:
    """A documented row with any of its fields replaced by anything."""
    changes = st.dictionaries(st.sampled_from(sorted(documented)), values, max_size=3)
    return changes.map(lambda change: documented | change)


lists = st.one_of(
    st.lists(spoilt(row(1)), max_size=4),
    st.lists(spoilt(bucket()), max_size=4),
    st.lists(spoilt(transaction(1)), max_size=4),
)
bodies = st.one_of(
    st.binary(max_size=60),
    values.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(st.sampled_from(TOP), lists | scalars, min_size=1, max_size=5).map(
        lambda value: json.dumps(value).encode()
    ),
)


def read_all(body: bytes) -> list[object]:
    readings: list[object] = []
    with suppress(GatewayError):
        readings.append(read_account(body, NOW))
    with suppress(GatewayError):
        readings.append(read_transactions(body))
    for per_usd in (1_000_000, 1, 7):
        with suppress(GatewayError):
            readings.append(read_usage(body, OWN, per_usd))
    return readings


@given(bodies)
@settings(max_examples=400)
def test_any_body_gives_readings_or_a_gateway_error(body: bytes) -> None:
    # What was read can be written: every text is UTF-8, every number finite.
    for reading in read_all(body):
        msgspec.json.encode(reading)


@given(st.lists(spoilt(row(1)), max_size=5))
def test_every_row_is_read_or_rejected_wherever_the_list_stands(
    rows: list[dict[str, object]],
) -> None:
    plain = read_usage(json.dumps(rows).encode(), OWN, 1_000_000)
    wrapped = read_usage(json.dumps({"items": rows, "total": "?"}).encode(), OWN, 1_000_000)
    assert plain == wrapped
    assert isinstance(plain, ListAnswer)
    assert len(plain.rows) + len(plain.rejected) == len(rows)


def as_exact(credits: int | Decimal, per_usd: int) -> int:
    return round(Fraction(credits) * 1_000_000_000 / per_usd)


@given(
    st.integers(0, 10**15) | st.decimals(0, 10**12, allow_nan=False, allow_infinity=False),
    st.sampled_from([1, 3, 7, 100, 1000, 1_000_000, 12_345]),
)
def test_credits_become_the_nearest_nanos(credits: int | Decimal, per_usd: int) -> None:
    if credits > MAX_CHARGE_USD * per_usd:
        return
    assert credits_to_nanos(credits, per_usd) == as_exact(credits, per_usd)


@given(st.decimals(-MAX_USD, MAX_USD, allow_nan=False, allow_infinity=False))
def test_usd_become_the_nearest_nanos(usd: Decimal) -> None:
    with localcontext(prec=200):
        expected = int((usd * 1_000_000_000).to_integral_value(ROUND_HALF_EVEN))
    assert to_nanos(usd) == expected


@given(st.integers(10**12, 7 * 10**12))
def test_a_whole_millisecond_is_sent_as_it_is(millis: int) -> None:
    params = range_params(millis / 1000, millis / 1000)
    assert params["since"] == params["until"]
    assert instant(params["since"]) == millis / 1000


@given(st.floats(1, 7e9), st.floats(1, 7e9))
def test_the_range_that_is_sent_holds_the_range_that_is_asked_for(
    since: float, until: float
) -> None:
    params = range_params(since, until)
    first, end = instant(params["since"]), instant(params["until"])
    assert first is not None
    assert end is not None
    assert since - 0.003 < first <= since
    assert until <= end < until + 0.003

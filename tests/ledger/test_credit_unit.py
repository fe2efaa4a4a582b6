"""What tells how many credits make one USD, and what the state remembers of it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from itertools import permutations
from math import ceil
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.gateway.readings import AccountReading, KeyRef, UsageBucket, UsageRow
from exporter.ledger.credit_unit import POLLS, Why, Witnesses, contradicted, judge
from exporter.ledger.cursor import Slice, hour_of
from exporter.ledger.ledger import Ledger, Rules
from exporter.ledger.owners import Owner
from exporter.ledger.store import Store
from exporter.money import NANOS_PER_USD
from tests.clock import NOW

MICRO, USD = 1_000_000, 1
KEY = KeyRef("17")


def row(credits: str, tokens: int = 0, at: float = NOW, id_: str = "r") -> UsageRow:
    return UsageRow(id_, at, "m", KEY, 0, tokens, 0, credits=Decimal(credits))


def bucket(usd: str, at: float = NOW) -> UsageBucket:
    return UsageBucket(hour_of(at), "m", KEY, int(Decimal(usd) * NANOS_PER_USD), 0, 0, 1)


def rows(*given: UsageRow, since: float = 0.0) -> Witnesses:
    return Witnesses().with_rows(given, since)


@pytest.mark.parametrize(
    ("witnesses", "told"),
    [
        (rows(row("9120", 2064)), (MICRO, Why.PRICE)),
        (rows(row("2", 10_000)), (USD, Why.PRICE)),
        (rows(row("1.47")), (USD, Why.FRACTION)),
        (rows(row("9120.0")), None),
        (rows(row("3")), None),
        (rows(row("5", 1000)), None),  # a token may cost 5e-3 USD as well as 5e-9
        (rows(row("5", 1000), row("50", 1000)), (MICRO, Why.PRICE)),
        (rows(row("9120")).with_rollup([bucket("0.01")]), (MICRO, Why.ROLLUP)),
        (rows(row("3")).with_rollup([bucket("3.00")]), (USD, Why.ROLLUP)),
        (rows(row("3")).with_rollup([bucket("0.00")]), None),
        (rows(row("3")).with_rollup([bucket("3.00", NOW - 3600)]), None),
    ],
)
def test_the_answers_tell_the_unit_or_leave_it_open(
    witnesses: Witnesses, told: tuple[int, Why] | None
) -> None:
    assert judge(witnesses) == told


@pytest.mark.parametrize(
    ("credits", "grown", "unit"),
    [
        ("9120", "0.00912", MICRO),
        ("9120", "0.01", MICRO),
        ("9", "9", USD),
        ("9", "20.5", USD),
        ("9", "0", None),
        ("1", "0.01", None),
    ],
)
def test_growth_of_lifetime_spend_tells_the_unit_of_the_rows_since_then(
    credits: str, grown: str, unit: int | None
) -> None:
    old = row("1000000", at=NOW - 100)
    nanos = int(Decimal(grown) * NANOS_PER_USD)
    witnesses = rows(old, row(credits), since=NOW - 50)
    told = judge(msgspec.structs.replace(witnesses, grown=nanos))
    assert told == (None if unit is None else (unit, Why.LIFETIME))


CALLS = st.tuples(
    st.integers(1, 50_000_000),
    st.one_of(st.just(None), st.fractions(Fraction(1, 10_000), 1000)),
)
"""What a call costs in micro-USD, and how many tokens it has for each of them, if any."""


@given(st.sampled_from((MICRO, USD)), st.lists(CALLS, min_size=1, max_size=9), st.floats(0.1, 10))
def test_no_witness_tells_the_wrong_unit_of_calls_as_they_are(
    unit: int, calls: list[tuple[int, Fraction | None]], off: float
) -> None:
    made = [
        row(str(Decimal(micros * unit) / MICRO), 0 if many is None else ceil(micros * many))
        for micros, many in calls
    ]
    spent = Decimal(sum(micros for micros, _ in calls)) / MICRO * Decimal(off)
    grown = int(spent * NANOS_PER_USD)
    for witnesses in (
        rows(*made),
        msgspec.structs.replace(rows(*made), grown=grown),
        rows(*made).with_rollup([bucket(str(spent))]),
    ):
        told = judge(witnesses)
        assert told is None or told[0] == unit


def test_the_order_of_rows_and_answers_changes_nothing() -> None:
    made = [row("9120", 2064), row("3"), row("7", 0, NOW - 7200)]
    all_ = {judge(rows(*order).with_rollup([bucket("0.01")])) for order in permutations(made)}
    split = rows(made[0]).with_rollup([bucket("0.01")]).with_rows(made[1:], 0.0)
    assert all_ == {judge(split)} == {(MICRO, Why.ROLLUP)}


@pytest.mark.parametrize(
    ("per_usd", "used", "spent", "speaks_for"),
    [
        (MICRO, 10_000, 10 * NANOS_PER_USD, USD),
        (USD, 10**6 * NANOS_PER_USD, NANOS_PER_USD, MICRO),
        (MICRO, NANOS_PER_USD, 2 * NANOS_PER_USD, None),
        (USD, NANOS_PER_USD, NANOS_PER_USD, None),
        (MICRO, 10, 10_000_000, None),  # too little to say anything
        (MICRO, 0, 10 * NANOS_PER_USD, None),
        (500_000, NANOS_PER_USD, NANOS_PER_USD, None),
    ],
)
def test_only_a_drift_by_the_factor_between_the_units_speaks_against_one(
    per_usd: int, used: int, spent: int, speaks_for: int | None
) -> None:
    assert contradicted(per_usd, used, spent) == speaks_for


# -- the state ---------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "state.db")
    yield store
    store.close()


def opened(store: Store, configured: int | None = None) -> Ledger:
    ledger = Ledger(store, Rules(credits_per_usd=configured))
    ledger.open_accounts(["prod"], NOW - 60, NOW)
    return ledger


def test_what_was_decided_stays_whatever_is_told_later(store: Store) -> None:
    first = opened(store).judge_credits("prod", rows(row("1.5")), True)
    assert (first.per_usd, first.why) == (USD, Why.FRACTION)
    again = opened(store)
    assert again.judge_credits("prod", rows(row("9120", 2064)), True) == first
    assert again.credit_unit("prod") == again.totals_of("prod").unit == first


def test_after_ten_polls_in_vain_it_is_the_documented_unit_restarts_or_not(store: Store) -> None:
    for poll in range(1, POLLS):
        unit = opened(store).judge_credits("prod", rows(row("3")), True)
        assert (unit.per_usd, unit.polls) == (None, poll)
    last = opened(store).judge_credits("prod", rows(row("3")), True)
    assert (last.per_usd, last.why) == (MICRO, Why.DOCUMENTED)
    assert opened(store).credit_unit("prod") == last


def test_another_wallet_behind_the_name_decides_anew(store: Store) -> None:
    ledger = opened(store)
    ledger.judge_credits("prod", rows(row("1.5")), True)
    ledger.begin_anew("prod", Owner("https://other.example", "99"), NOW, NOW)
    assert ledger.credit_unit("prod").per_usd is None


def test_what_is_configured_wins_and_is_kept_by_auto_once_rows_were_counted(store: Store) -> None:
    configured = opened(store, USD)
    assert configured.credit_unit("prod").per_usd == USD
    assert opened(store).credit_unit("prod").per_usd is None
    counted = UsageRow("r1", NOW, "m", KEY, 5, 1, 1)
    configured.commit_log("prod", [counted], None, None, NOW)
    kept = opened(store).credit_unit("prod")
    assert (kept.per_usd, kept.why) == (USD, Why.CONFIGURED)
    assert opened(store, MICRO).credit_unit("prod").per_usd == MICRO


def test_a_row_that_waits_cannot_be_counted(store: Store) -> None:
    ledger = opened(store)
    with pytest.raises(AssertionError, match="rows wait"):
        ledger.commit_log("prod", [row("3")], None, None, NOW)
    assert ledger.totals_of("prod").usage == ()


@pytest.mark.parametrize(("mark", "kept"), [(True, MICRO), (False, None)])
def test_a_state_of_before_keeps_the_unit_in_which_it_counted_rows(
    tmp_path: Path, mark: bool, kept: int | None
) -> None:
    path = tmp_path / "state.db"
    old = Store(path)
    ledger = opened(old)
    if mark:
        ledger.commit_log("prod", [UsageRow("r1", NOW, "m", KEY, 5, 1, 1)], None, None, NOW)
    old.db.executescript("DROP TABLE credit_unit; PRAGMA user_version = 2")
    old.close()
    new = Store(path)
    assert opened(new).credit_unit("prod").per_usd == kept
    new.close()


def test_growth_that_parts_from_lifetime_spend_by_a_million_is_told_until_it_fits_again(
    store: Store,
) -> None:
    ledger = opened(store, MICRO)
    spent = 0

    def step(cost: int, wallet: int) -> int | None:
        nonlocal spent
        spent += wallet
        number = len(ledger.totals_of("prod").usage) and ledger.totals_of("prod").usage[0].requests
        made = UsageRow(f"r{number}", NOW, "m", KEY, cost, 1, 1)
        ledger.commit_log("prod", [made], Slice(NOW - 60, NOW + 60, True, False), None, NOW)
        ledger.commit_account("prod", AccountReading(NOW, lifetime_spent=spent))
        return ledger.totals_of("prod").unit.contradicted

    assert [step(USD * NANOS_PER_USD, NANOS_PER_USD) for _ in range(3)] == [None] * 3
    assert step(1000, NANOS_PER_USD) == USD
    assert step(1000, NANOS_PER_USD) == USD
    assert step(3 * NANOS_PER_USD, NANOS_PER_USD) is None

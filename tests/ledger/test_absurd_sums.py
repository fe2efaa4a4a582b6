"""Rows with which a total would no longer fit 64 bits cost themselves, and nothing else."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from exporter.gateway.fields import MAX_COUNT
from exporter.gateway.readings import KeyRef, RollupReading, Transaction, UsageBucket, UsageRow
from exporter.ledger import billing
from exporter.ledger.amounts import LARGEST, MOST, Amounts, fitting
from exporter.ledger.cursor import HOUR, Slice
from exporter.ledger.ledger import Ledger, Rules
from exporter.ledger.store import Store
from exporter.money import MAX_CHARGE_USD, MAX_USD, NANOS_PER_USD
from tests.ledger.conftest import FIRST
from tests.ledger.exporter import NAME

KEY = KeyRef("1", "sk…1", "k")
NOW = FIRST + 600
USD = NANOS_PER_USD
HOURS = 5000
"""So many hours of the dearest calls are more than any total holds."""


def call(number: int, cost: int = LARGEST) -> UsageRow:
    return UsageRow(f"r{number}", FIRST + number % HOURS * HOUR, "m", KEY, cost, 1, 1)


def cost_and_calls(ledger: Ledger) -> tuple[int, int]:
    usage = ledger.totals()[NAME].usage
    return sum(total.cost for total in usage), sum(total.requests for total in usage)


def test_no_single_amount_is_larger_than_the_ledger_takes_it_for() -> None:
    assert MAX_CHARGE_USD * NANOS_PER_USD <= LARGEST
    assert MAX_COUNT <= LARGEST
    assert MAX_USD * NANOS_PER_USD <= MOST
    assert 2 * MOST < 2**63 + 1, "an amount and its total never overflow together"


def test_log_rows_past_all_bounds_are_refused_one_by_one(ledger: Ledger) -> None:
    absurd = [call(number) for number in range(HOURS)]
    fits = MOST // LARGEST
    counted = ledger.commit_log(NAME, absurd, None, None, NOW)
    assert counted.counted == fits
    assert counted.refused == tuple(row.request_id for row in absurd[fits:])
    sane = [call(HOURS, cost=5 * USD), call(HOURS + 1), call(HOURS + 2, cost=7 * USD)]
    counted = ledger.commit_log(NAME, sane, None, None, NOW)
    assert (counted.counted, counted.refused) == (2, (f"r{HOURS + 1}",))
    assert cost_and_calls(ledger) == (fits * LARGEST + 12 * USD, fits + 2)


def test_buckets_past_all_bounds_are_refused_and_take_nothing_back(
    ledger: Ledger,
) -> None:
    span = Slice(FIRST, FIRST + HOURS * HOUR, tail=False, sweep=False)
    one = UsageBucket(int(FIRST + HOUR), "m", KEY, 5 * USD, 1, 1, 1)
    ledger.commit_rollup(NAME, RollupReading((one,), ()), span, None, NOW)
    absurd = tuple(
        UsageBucket(int(FIRST + hour * HOUR), "absurd", KEY, 1, 1, 1, MAX_COUNT)
        for hour in range(2, HOURS)
    )
    for _ in range(2):
        counted = ledger.commit_rollup(NAME, RollupReading(absurd, ()), span, None, NOW)
        assert counted.refused
    cost, calls = cost_and_calls(ledger)
    assert calls <= MOST
    assert cost >= 5 * USD
    assert ledger.totals()[NAME].overcount == 0


def test_movements_past_all_bounds_are_refused_and_the_rest_counts(
    ledger: Ledger,
) -> None:
    dear = [Transaction(f"d{n}", NOW, "topup", MAX_USD * USD) for n in range(20)]
    counted = ledger.commit_transactions(NAME, dear, None, None, NOW)
    fits = MOST // (MAX_USD * USD)
    assert counted.counted == fits
    assert counted.refused == tuple(item.id for item in dear[fits:])
    others = [Transaction("a", NOW, "topup", 3 * USD), Transaction("b", NOW, "refund", -USD)]
    again = ledger.commit_transactions(NAME, [*dear, *others], None, None, NOW)
    assert (again.counted, again.duplicate, len(again.refused)) == (2, fits, 20 - fits)
    totals = {(t.kind, t.direction): (t.amount, t.count) for t in ledger.totals()[NAME].billing}
    assert totals == {
        ("topup", "credit"): (fits * MAX_USD * USD + 3 * USD, fits + 1),
        ("refund", "debit"): (USD, 1),
    }


def test_a_page_of_any_number_of_movements_is_counted(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.db")
    store.db.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, billing._ASKED_AT_ONCE + 1)
    ledger = Ledger(store, Rules())
    ledger.open_accounts([NAME], FIRST, NOW)
    many = [Transaction(f"{n}", NOW, "topup", 1) for n in range(3 * billing._ASKED_AT_ONCE + 1)]
    for counted, duplicate in ((len(many), 0), (0, len(many))):
        result = ledger.commit_transactions(NAME, many, None, None, NOW)
        assert (result.counted, result.duplicate) == (counted, duplicate)
    store.close()


@given(st.lists(st.integers(0, LARGEST)), st.integers(-10, 20 * LARGEST))
def test_what_fits_fits_and_what_does_not_is_named(costs: list[int], room: int) -> None:
    left = Amounts(room, room, room, room)
    good, bad = fitting(costs, left, lambda cost: Amounts(cost, 0, 0, 1))
    assert sorted([*good, *bad]) == sorted(costs)
    assert sum(good) <= max(room, 0)
    assert all(sum(good) + cost > room or len(good) >= room for cost in bad)

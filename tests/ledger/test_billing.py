"""Wallet movements: each counts once, by kind and direction."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.gateway.readings import Stage, Transaction
from exporter.ledger import billing
from exporter.ledger.cursor import HOUR, Slice, next_sweep_slice, tail_of
from exporter.ledger.ledger import Ledger, Rules
from exporter.ledger.store import Store
from tests.ledger.conftest import FIRST
from tests.ledger.exporter import NAME, Exporter

DAY = 24 * HOUR
NOW = FIRST + 600


def movement(id_: str, amount: int = 50, kind: str = "topup", at: float = NOW) -> Transaction:
    return Transaction(id_, at, kind, amount)


def take(ledger: Ledger, *items: Transaction) -> tuple[int, int]:
    counted = ledger.commit_transactions(NAME, items, None, None, NOW)
    return counted.counted, counted.duplicate


def shown(ledger: Ledger) -> dict[tuple[str, str], tuple[int, int]]:
    return {(t.kind, t.direction): (t.amount, t.count) for t in ledger.totals()[NAME].billing}


def test_each_movement_counts_once(ledger: Ledger) -> None:
    items = [movement("1"), movement("2", -5, "refund"), movement("1")]
    assert take(ledger, *items) == (2, 1)
    assert take(ledger, *items) == (0, 3)
    assert shown(ledger) == {("topup", "credit"): (50, 1), ("refund", "debit"): (5, 1)}


def test_a_bonus_is_a_line_of_its_own(ledger: Ledger) -> None:
    take(ledger, movement("1", 50), movement("2", 5))
    assert shown(ledger) == {("topup", "credit"): (55, 2)}


def test_a_movement_of_nothing_is_a_movement(ledger: Ledger) -> None:
    take(ledger, movement("1", 0))
    assert shown(ledger) == {("topup", "credit"): (0, 1)}


def test_movements_from_before_counting_only_say_when_they_were(
    ledger: Ledger,
) -> None:
    old = movement("1", at=FIRST - 30 * DAY)
    assert take(ledger, old, old) == (0, 0)
    assert shown(ledger) == {}
    assert ledger.totals()[NAME].last_transactions == (("topup", FIRST - 30 * DAY),)
    take(ledger, movement("2"))
    take(ledger, old)
    assert ledger.totals()[NAME].last_transactions == (("topup", NOW),)


def test_what_is_announced_is_watched_until_it_is_money_however_late_that_is(
    ledger: Ledger,
) -> None:
    announced = msgspec.structs.replace(movement("late"), stage=Stage.PENDING)
    known = [(announced, NOW)]
    for day in range(20):
        known.append((movement(str(day), 1, at=NOW + day * DAY), NOW + day * DAY))
        follow(ledger, known, NOW + day * DAY)
    assert shown(ledger) == {("topup", "credit"): (20, 20)}
    known[0] = movement("late"), NOW
    for day in range(20, 25):
        follow(ledger, known, NOW + day * DAY)
    assert shown(ledger) == {("topup", "credit"): (70, 21)}
    assert ledger.cursor(NAME, "transactions").floor > NOW


def test_what_stays_announced_for_ever_is_not_asked_for_beyond_what_the_gateway_answers(
    ledger: Ledger,
) -> None:
    announced = msgspec.structs.replace(movement("never"), stage=Stage.PENDING)
    known = [(announced, NOW)]
    for day in range(0, 120, 2):
        known.append((movement(str(day), 1, at=NOW + day * DAY), NOW + day * DAY))
        follow(ledger, known, NOW + day * DAY)
    assert ledger.cursor(NAME, "transactions").floor > NOW + 24 * DAY
    assert ledger.totals()[NAME].pending == ()


def test_kinds_without_end_fold_into_other(exporter: Exporter) -> None:
    items = [movement(str(n), 1, f"kind{n:03}") for n in range(billing.MAX_KINDS + 50)]
    for start in range(0, len(items), 20):
        take(exporter.ledger, *items[start : start + 20])
    for _ in range(2):
        totals = shown(exporter.ledger)
        assert len(totals) == billing.MAX_KINDS + 1
        assert totals["other", "credit"] == (50, 50)
        assert len(exporter.totals.last_transactions) == billing.MAX_KINDS + 1
        take(exporter.ledger, *items[-20:])
        exporter.restart()


def test_a_new_kind_starts_at_the_poll_before(ledger: Ledger) -> None:
    done = Slice(FIRST, NOW + HOUR, True, False)
    ledger.commit_transactions(NAME, [], done, None, NOW)
    ledger.commit_transactions(NAME, [movement("1", at=NOW + 30)], done, None, NOW + 60)
    (total,) = ledger.totals()[NAME].billing
    assert total.start_ns == int(NOW * 1e9)
    assert total.fresh
    ledger.zero_points_sent([], [total.id])
    assert not ledger.totals()[NAME].billing[0].fresh


@settings(max_examples=40)
@given(
    gaps=st.lists(st.sampled_from([60.0, HOUR, 20 * HOUR, 9 * DAY]), min_size=1, max_size=12),
    lates=st.lists(st.floats(0, 47 * HOUR), min_size=12, max_size=12),
    faults=st.sets(st.integers(0, 11)),
)
def test_over_any_outage_each_movement_counts_once(
    gaps: list[float], lates: list[float], faults: set[int]
) -> None:

    with tempfile.TemporaryDirectory() as directory:
        store = Store(Path(directory) / "state.db")
        store.db.execute("PRAGMA synchronous = OFF")
        ledger = Ledger(store, Rules())
        now = FIRST
        ledger.open_accounts([NAME], now, now)
        known: list[tuple[Transaction, float]] = []
        for number, (gap, late) in enumerate(zip(gaps, lates, strict=False)):
            now += gap
            known.append((movement(str(number), 1 << number, at=now - late), now))
            if number not in faults:
                follow(ledger, known, now)
        for _ in range(4):
            now += DAY
            follow(ledger, known, now)
        expected = sum(item.amount for item, _ in known if item.created_at >= FIRST)
        assert sum(total.amount for total in ledger.totals()[NAME].billing) == expected
        store.close()


def follow(ledger: Ledger, known: list[tuple[Transaction, float]], now: float) -> None:
    """One poll of transactions, with its sweep."""
    position = ledger.cursor(NAME, "transactions").position
    cursor = ledger.begin_round(NAME, "transactions", now, position)
    read(ledger, known, tail_of(cursor, now, 0.0), now)
    while (cursor := ledger.cursor(NAME, "transactions")).sweep_from is not None:
        read(ledger, known, next_sweep_slice(cursor, now, 4 * DAY), now)


def read(ledger: Ledger, known: list[tuple[Transaction, float]], piece: Slice, now: float) -> None:
    items = [item for item, shown_at in known if shown_at <= now]
    inside = [item for item in items if piece.since <= item.created_at < piece.until]
    ledger.commit_transactions(NAME, inside, piece, None, now)


def test_what_is_pending_is_no_movement_until_it_is_good(ledger: Ledger) -> None:
    announced = msgspec.structs.replace(movement("1"), stage=Stage.PENDING)
    take(ledger, announced, announced)
    assert shown(ledger) == {}
    assert ledger.totals()[NAME].pending == (("topup", 50, 1),)
    take(ledger, movement("1"))
    assert shown(ledger) == {("topup", "credit"): (50, 1)}
    assert ledger.totals()[NAME].pending == ()

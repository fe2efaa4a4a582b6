"""The ledger: takes readings, commits them, and says what was counted.

Every `commit_…` is one transaction: deduplication marks, totals and cursor become durable
together, and only then can a total be seen outside. All calls raise StateError, after which
nothing of that commit has happened. Not thread-safe: one thread at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from exporter.gateway.readings import (
    AccountReading,
    RollupReading,
    Transaction,
    UsageRow,
    UsageShape,
)
from exporter.ledger import billing, spend, usage, wallet
from exporter.ledger.cells import Cells
from exporter.ledger.cursor import Cursor, Slice, Window, advanced, hour_of
from exporter.ledger.doubt import confirms, doubtful
from exporter.ledger.store import SET_ASIDE, Store
from exporter.ledger.totals import AccountTotals, read_totals
from exporter.ledger.usage import Counted

RowKind = Literal["usage", "transactions"]
"""Each has a cursor of its own."""

_CURSOR = ", ".join(Cursor.__struct_fields__)


class Rules(msgspec.Struct, frozen=True):
    """What the configuration says about counting. Spans in seconds."""

    settle_window: float = 172_800.0
    max_series: int = 2000
    runway_window: float = 21_600.0


class _DoubtedError(Exception):
    """So much growth (nano-USD) at once waits for a second reading."""

    def __init__(self, growth: int) -> None:
        super().__init__()
        self.growth = growth


class Ledger:
    """All accounts of one state file."""

    def __init__(self, store: Store, rules: Rules) -> None:
        self._store = store
        self.rules = rules
        self.window = Window(rules.settle_window)
        self._ids: dict[str, int] = {}
        self._totals: dict[str, AccountTotals] = {}
        self._doubted: dict[tuple[str, bool], int] = {}

    def open_accounts(self, names: Iterable[str], start: float, now: float) -> None:
        """Make accounts known, all in one commit.

        Of those that were not known, counting begins at `start` (Unix s).
        """
        with self._store.transaction() as db:
            opened = {name: _open(db, name, Cursor.begin(start, now)) for name in names}
            db.execute("DELETE FROM meta WHERE name = ?", (SET_ASIDE,))
        self._ids.update(opened)

    def cursor(self, name: str, kind: RowKind) -> Cursor:
        with self._store.reading() as db:
            cursor = _read_cursor(db, self._ids[name], kind)
        assert cursor is not None, "open_accounts comes first"
        return cursor

    def commit_account(
        self, name: str, reading: AccountReading, organization: int | None = None
    ) -> None:
        """Take over lifetime counters, drift and spend rate of one account reading.

        `organization`: what its organization's wallet holds (nano-USD), None where that is unknown.
        """
        account = self._ids[name]
        cursor = self.cursor(name, "usage")
        window = self.rules.runway_window
        with self._store.transaction() as db:
            caught_up = cursor.caught_up
            if wallet.count_account(db, account, reading, organization, caught_up, window):
                _write_cursor(db, account, "usage", cursor.sweeping(reading.observed_at))
        self._totals.pop(name, None)

    def commit_log(
        self,
        name: str,
        rows: Sequence[UsageRow],
        done: Slice | None,
        newest: float | None,
        now: float,
    ) -> Counted:
        """Count rows of the log. `done`: these were the last ones of that slice.

        `newest`: the newest row (Unix s) in the slice's earlier commits, as `Counted` gives the
        newest of all so far. `now`: when the poll began.
        """
        cursor = self.cursor(name, "usage")

        def count(cells: Cells, baselined: bool) -> Counted:
            counted = usage.count_log(cells, cursor, rows, baselined).since(newest)
            if done is not None:
                usage.settle_log(cells, done.since, done.until)
            return counted

        return self._commit_usage(name, cursor, count, done, now, UsageShape.LOG)

    def commit_rollup(self, name: str, reading: RollupReading, done: Slice, now: float) -> Counted:
        """Count every bucket of a slice that begins at a whole hour."""
        cursor = self.cursor(name, "usage")

        def count(cells: Cells, baselined: bool) -> Counted:
            spent = wallet.spent_since_first(cells.db, cells.account)
            return usage.count_rollup(cells, cursor, reading, done, now, baselined, spent)

        return self._commit_usage(name, cursor, count, done, now, UsageShape.ROLLUP)

    def _commit_usage(
        self,
        name: str,
        cursor: Cursor,
        count: Callable[[Cells, bool], Counted],
        done: Slice | None,
        now: float,
        shape: UsageShape,
    ) -> Counted:
        """Count, unless the growth looks like a mistake of the gateway: then nothing happened."""
        account = self._ids[name]
        try:
            with self._store.transaction() as db:
                (baselined,) = db.execute(
                    "SELECT baselined FROM account WHERE id = ?", (account,)
                ).fetchone()
                cells = self._cells(db, name, cursor, now)
                counted = count(cells, bool(baselined))
                if cursor.caught_up or shape is UsageShape.ROLLUP:
                    self._judge(db, name, done, cells)
                cells.store()
                if done is not None:
                    began = done.since <= hour_of(cursor.start) or shape is UsageShape.ROLLUP
                    if not baselined and done.since <= cursor.start and began:
                        db.execute("UPDATE account SET baselined = 1 WHERE id = ?", (account,))
                    self._advance_usage(db, name, cursor, done, now, counted.newest, shape)
        except _DoubtedError as doubted:
            return Counted(doubted=doubted.growth)
        self._totals.pop(name, None)
        return counted

    def _judge(self, db: sqlite3.Connection, name: str, done: Slice | None, cells: Cells) -> None:
        """Raise _DoubtedError where the growth waits for a second reading."""
        growth = cells.growth()
        sweep = done is not None and done.sweep
        doubted = self._doubted.pop((name, sweep), None)
        lifetime = wallet.grown(db, self._ids[name])
        if doubtful(growth, lifetime, cells.usual(done)) and not confirms(doubted, growth):
            self._doubted[name, sweep] = growth
            raise _DoubtedError(growth)

    def commit_transactions(
        self,
        name: str,
        items: Sequence[Transaction],
        done: Slice | None,
        newest: float | None,
        now: float,
    ) -> Counted:
        """Count wallet movements; arguments as in `commit_log`."""
        cursor = self.cursor(name, "transactions")
        account = self._ids[name]
        with self._store.transaction() as db:
            start_ns = min(cursor.polled_ns, int(now * 1e9))
            counted = billing.count_transactions(db, account, cursor, start_ns, items)
            counted = counted.since(newest)
            if done is not None:
                moved = self._moved(cursor, done, now, counted.newest)
                announced = billing.oldest_pending(db, account)
                if announced is not None:  # it is not final, however long it takes
                    floor = max(cursor.floor, min(moved.floor, hour_of(announced)))
                    moved = msgspec.structs.replace(moved, floor=floor)
                _write_cursor(db, account, "transactions", moved)
                if moved.floor > cursor.floor:
                    db.execute(
                        "DELETE FROM transaction_mark WHERE account = ? AND created_at < ?",
                        (account, moved.floor),
                    )
        self._totals.pop(name, None)
        return counted

    def begin_sweep(self, name: str, kind: RowKind, now: float) -> None:
        """From now on everything that is not final is read again, slice by slice."""
        cursor = self.cursor(name, kind)
        with self._store.transaction() as db:
            _write_cursor(db, self._ids[name], kind, cursor.sweeping(now))

    def zero_points_sent(self, usage_ids: Iterable[int], billing_ids: Iterable[int]) -> None:
        """A receiver was sent the zero points of these series."""
        with self._store.transaction() as db:
            db.executemany("UPDATE series SET fresh = 0 WHERE id = ?", [(i,) for i in usage_ids])
            db.executemany("UPDATE billing SET fresh = 0 WHERE id = ?", [(i,) for i in billing_ids])
        self._totals.clear()

    def totals(self) -> Mapping[str, AccountTotals]:
        """What is committed, by account name."""
        return {name: self.totals_of(name) for name in self._ids}

    def totals_of(self, name: str) -> AccountTotals:
        """What is committed for one account; not read again while nothing changed."""
        if name not in self._totals:
            account = self._ids[name]
            with self._store.reading() as db:
                self._totals[name] = read_totals(db, account, self.rules.runway_window)
        return self._totals[name]

    def _cells(self, db: sqlite3.Connection, name: str, cursor: Cursor, now: float) -> Cells:
        start_ns = min(cursor.polled_ns, int(now * 1e9))
        return Cells(db, self._ids[name], self.rules.max_series, start_ns)

    def _moved(self, cursor: Cursor, done: Slice, now: float, newest: float | None) -> Cursor:
        return self.window.after(advanced(cursor, done, now, newest), now)

    def _advance_usage(
        self,
        db: sqlite3.Connection,
        name: str,
        cursor: Cursor,
        done: Slice,
        now: float,
        newest: float | None,
        shape: UsageShape,
    ) -> None:
        account = self._ids[name]
        moved = msgspec.structs.replace(self._moved(cursor, done, now, newest), shape=shape.value)
        if cursor.shape not in (None, moved.shape) and moved.sweep_from is None:
            moved = moved.sweeping(now)  # every hour that is not final is read in the new shape
        _write_cursor(db, account, "usage", moved)
        if moved.floor > cursor.floor:
            db.execute(
                "DELETE FROM usage_mark WHERE account = ? AND hour < ?", (account, moved.floor)
            )
            db.execute("DELETE FROM cell WHERE account = ? AND hour < ?", (account, moved.floor))
        if done.tail and moved.caught_up:
            begin = max(cursor.start, cursor.floor)
            spend.watch_usage(db, account, begin, now, self.rules.runway_window)
            wallet.witness(db, account)
            wallet.settle_drift(db, account, cursor.polled_ns / 1e9, now, done.sweep)


def _open(db: sqlite3.Connection, name: str, first: Cursor) -> int:
    """The id of an account; `first` is the cursor of rows that were never read."""
    db.execute("INSERT OR IGNORE INTO account (name) VALUES (?)", (name,))
    (account,) = db.execute("SELECT id FROM account WHERE name = ?", (name,)).fetchone()
    for kind in ("usage", "transactions"):
        if _read_cursor(db, account, kind) is None:
            _write_cursor(db, account, kind, first)
    return int(account)


def _read_cursor(db: sqlite3.Connection, account: int, kind: str) -> Cursor | None:
    row = db.execute(
        f"SELECT {_CURSOR} FROM cursor WHERE account = ? AND stream = ?",
        (account, kind),
    ).fetchone()
    if row is None:
        return None
    cursor = Cursor(*row)
    return msgspec.structs.replace(cursor, caught_up=bool(cursor.caught_up))


def _write_cursor(db: sqlite3.Connection, account: int, kind: str, cursor: Cursor) -> None:
    db.execute(
        f"INSERT OR REPLACE INTO cursor (account, stream, {_CURSOR}) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (account, kind, *msgspec.structs.astuple(cursor)),
    )

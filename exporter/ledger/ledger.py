"""The ledger: takes readings, commits them, and says what was counted.

Every `commit_…` is one transaction: deduplication marks, totals and cursor become durable
together, and only then can a total be seen outside. All calls raise StateError, after which
nothing of that commit has happened. Not thread-safe: one thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import msgspec

from exporter.gateway.readings import (
    AccountReading,
    KeyRef,
    RollupReading,
    Transaction,
    UsageRow,
    UsageShape,
)
from exporter.ledger import billing, credit_unit, spend, usage, wallet
from exporter.ledger.account_rows import (
    UsageRead,
    advance_usage,
    forget_transactions,
    is_baselined,
    write_cursor,
)
from exporter.ledger.accounts import Accounts, RowKind
from exporter.ledger.buckets import FIRST_READING, count_rollup
from exporter.ledger.cells import Cells
from exporter.ledger.credit_unit import CreditUnit, Why, Witnesses
from exporter.ledger.cursor import HOUR, Cursor, Slice, Window, advanced, hour_of
from exporter.ledger.doubt import DoubtedError, Doubts
from exporter.ledger.names import Names
from exporter.ledger.naming import adopt_names
from exporter.ledger.owners import Owner, write_owner
from exporter.ledger.store import Store
from exporter.ledger.totals import AccountTotals, read_totals
from exporter.ledger.usage import Counted


class Rules(msgspec.Struct, frozen=True):
    """What the configuration says about counting. Spans in seconds.

    `start` gives when counting begins of an account that is new at some time (Unix s).
    `credits_per_usd`: None where the answers tell it.
    """

    settle_window: float = 172_800.0
    max_series: int = 2000
    runway_window: float = 21_600.0
    start: Callable[[float], float] = float
    credits_per_usd: int | None = None


class Ledger(Accounts):
    """All accounts of one state file, and what was counted of each."""

    def __init__(self, store: Store, rules: Rules) -> None:
        super().__init__(store, rules.start)
        self.rules = rules
        self.window = Window(rules.settle_window)
        self._doubts = Doubts()

    def begin_anew(self, name: str, owner: Owner, now: float, polled: float) -> None:
        super().begin_anew(name, owner, now, polled)
        self._doubts = Doubts()  # what waited may be of the old wallet

    def commit_account(
        self,
        name: str,
        reading: AccountReading,
        now: float | None = None,
        owner: Owner | None = None,
        organization: int | None = None,
    ) -> None:
        """Take over lifetime counters, drift and spend rate of one account reading.

        `now` (Unix s) is when it was read by the gateway's clock, if that is another. `owner` is
        whose it is, unless that is not known. `organization`: what its organization's wallet
        holds (nano-USD), None where that is unknown.
        """
        account = self._ids[name]
        cursor = self.cursor(name, "usage")
        window = self.rules.runway_window
        with self._store.transaction() as db:
            if owner is not None:
                write_owner(db, account, owner)
            at = now or reading.observed_at
            told = organization is not None
            if wallet.count_account(db, account, reading, told, cursor.caught_up):
                write_cursor(db, account, "usage", cursor.sweeping(at))
            unit = credit_unit.read(db, account, self.rules.credits_per_usd)
            credit_unit.watch(db, account, unit, cursor.caught_up)
            spend.watch_account(db, account, reading, organization, at, window)
        self._totals.pop(name, None)

    def commit_log(
        self,
        name: str,
        rows: Sequence[UsageRow],
        done: Slice | None,
        newest: float | None,
        now: float,
        polled: float | None = None,
    ) -> Counted:
        """Count rows of the log. `done`: these were the last ones of that slice.

        `newest`: the newest row (Unix s) in the slice's earlier commits, as `Counted` gives the
        newest of all so far. `now`: when the poll began, by the gateway's clock, `polled` by
        ours, if that is another.
        """
        cursor = self.cursor(name, "usage")

        def count(cells: Cells, baselined: bool) -> Counted:
            counted = usage.count_log(cells, cursor, rows, baselined)
            if rows and (configured := self.rules.credits_per_usd) is not None:
                credit_unit.remember(cells.db, cells.account, configured, Why.CONFIGURED)
            if done is not None:
                usage.settle_log(cells, cursor, done)
            return counted.since(newest)

        read = UsageRead(UsageShape.LOG, done, done is not None, now, polled or now)
        return self._commit_usage(name, cursor, count, read, judged=cursor.caught_up)

    def commit_rollup(
        self,
        name: str,
        reading: RollupReading,
        done: Slice,
        newest: float | None,
        now: float,
        polled: float | None = None,
    ) -> Counted:
        """Count every bucket of a slice that begins at a whole hour; others as in `commit_log`."""
        cursor = self.cursor(name, "usage")

        def count(cells: Cells, baselined: bool) -> Counted:
            spent = wallet.spent_since_first(cells.db, cells.account)
            spent -= wallet.usage_total(cells.db, cells.account)
            counted = count_rollup(cells, cursor, reading, done, now, baselined, spent)
            return counted.since(newest)

        shape = UsageShape.DAYS if reading.days else UsageShape.ROLLUP
        read = UsageRead(shape, done, reading.last, now, polled or now)
        return self._commit_usage(name, cursor, count, read, judged=True)

    def credit_unit(self, name: str) -> CreditUnit:
        """How many credits make one USD in the account's rows, as far as that is known."""
        with self._store.reading() as db:
            return credit_unit.read(db, self._ids[name], self.rules.credits_per_usd)

    def judge_credits(self, name: str, witnesses: Witnesses, waited: bool) -> CreditUnit:
        """Decide the unit for good, if that can be told. `waited`: a poll ended without it."""
        account = self._ids[name]
        with self._store.transaction() as db:
            known = credit_unit.read(db, account, self.rules.credits_per_usd)
            if known.per_usd is not None:
                return known
            known = credit_unit.decide(db, account, known, witnesses, waited)
        self._totals.pop(name, None)
        return known

    def unknown_hour(self, name: str, span: Slice, now: float) -> tuple[float, float] | None:
        """From when to when (Unix s) a log could tell what a rollup of the slice cannot.

        That is the hour in which counting began, unless its first reading came with the start.
        """
        cursor = self.cursor(name, "usage")
        begin = hour_of(cursor.start)
        if not begin < cursor.start < now - FIRST_READING or span.since > cursor.start:
            return None
        with self._store.reading() as db:
            baselined = is_baselined(db, self._ids[name])
        return None if baselined else (begin, min(begin + HOUR, now))

    def _commit_usage(
        self,
        name: str,
        cursor: Cursor,
        count: Callable[[Cells, bool], Counted],
        read: UsageRead,
        judged: bool,
    ) -> Counted:
        """Count, unless the growth looks like a mistake of the gateway: then nothing happened."""
        account = self._ids[name]
        try:
            with self._store.transaction() as db:
                baselined = is_baselined(db, account)
                start_ns = min(cursor.polled_ns, int(read.polled * 1e9))
                cells = Cells(db, account, self.rules.max_series, start_ns)
                counted = count(cells, baselined)
                if judged:
                    kind = name, read.done and read.done.sweep
                    self._doubts.judge(
                        kind,
                        cells.growth(),
                        wallet.grown(db, account),
                        partial(cells.usual, read.done) if cursor.caught_up else int,
                        ended=read.ended,
                    )
                cells.store(read.now)
                if read.done is not None and read.ended:
                    whole = read.done.since <= hour_of(cursor.start) or read.shape != UsageShape.LOG
                    if not baselined and read.done.since <= cursor.start and whole:
                        db.execute("UPDATE account SET baselined = 1 WHERE id = ?", (account,))
                    runway = self.rules.runway_window
                    advance_usage(db, account, self.window, runway, cursor, read, counted.newest)
        except DoubtedError as doubted:
            return Counted(doubted=doubted.growth)
        self._totals.pop(name, None)
        return counted

    def commit_transactions(
        self,
        name: str,
        items: Sequence[Transaction],
        done: Slice | None,
        newest: float | None,
        now: float,
        polled: float | None = None,
    ) -> Counted:
        """Count wallet movements; arguments as in `commit_log`."""
        cursor = self.cursor(name, "transactions")
        polled = now if polled is None else polled
        account = self._ids[name]
        with self._store.transaction() as db:
            start_ns = min(cursor.polled_ns, int(polled * 1e9))
            counted = billing.count_transactions(db, account, cursor, start_ns, items)
            counted = counted.since(newest)
            if done is not None:
                moved = self.window.after(advanced(cursor, done, now, counted.newest, polled))
                moved = moved.kept_open(billing.oldest_pending(db, account), now)
                write_cursor(db, account, "transactions", moved)
                if moved.floor > cursor.floor:
                    forget_transactions(db, account, moved.floor)
        self._totals.pop(name, None)
        return counted

    def commit_keys(self, name: str, keys: Iterable[KeyRef], polled: float) -> int:
        """Name keys that count without a name, by the list of keys; returns how many.

        `polled` (Unix s): when the list was read, by our clock.
        """
        account = self._ids[name]
        cursor = self.cursor(name, "usage")
        with self._store.transaction() as db:
            start_ns = max(cursor.polled_ns, int(polled * 1e9))
            names = Names(db, account, self.rules.max_series, start_ns)
            adopted = adopt_names(db, account, names, keys)
        if adopted:
            self._totals.pop(name, None)
        return adopted

    def begin_round(self, name: str, kind: RowKind, now: float, polled: float) -> Cursor:
        """The cursor of a round that begins, which may have something to sweep.

        `polled`: when the last complete poll began, by the clock of `now` (Unix s).
        """
        cursor = self.cursor(name, kind)
        begun = self.window.begun(cursor, now, polled)
        if begun != cursor:
            with self._store.transaction() as db:
                write_cursor(db, self._ids[name], kind, begun)
        return begun

    def begin_sweep(self, name: str, kind: RowKind, now: float) -> None:
        """From now on everything that is not final is read again, slice by slice."""
        cursor = self.cursor(name, kind)
        with self._store.transaction() as db:
            write_cursor(db, self._ids[name], kind, cursor.sweeping(now))

    def zero_points_sent(
        self, usage_ids: Iterable[int], billing_ids: Iterable[int], cache_ids: Iterable[int] = ()
    ) -> None:
        """A receiver was sent the zero points of these series, and of their tokens of caches."""
        with self._store.transaction() as db:
            db.executemany("UPDATE series SET fresh = 0 WHERE id = ?", [(i,) for i in usage_ids])
            db.executemany("UPDATE series SET caches = 2 WHERE id = ?", [(i,) for i in cache_ids])
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
                self._totals[name] = read_totals(
                    db, account, self.rules.runway_window, self.rules.credits_per_usd
                )
        return self._totals[name]

"""An exporter in miniature: polls the world into a real ledger, and can die at any statement."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from exporter.errors import StateError
from exporter.gateway.readings import UsageRow, UsageShape
from exporter.ledger.cursor import (
    DAY,
    FIRST_SPAN,
    HOUR,
    LONGEST_SPAN,
    Slice,
    aligned,
    next_sweep_slice,
    step_of,
    tail_of,
)
from exporter.ledger.doubt import DoubtedError
from exporter.ledger.ledger import Ledger, Rules
from exporter.ledger.store import Store
from exporter.ledger.totals import AccountTotals
from exporter.ledger.usage import Counted
from tests.ledger.world import World

NAME = "prod"


class DiedError(Exception):
    """The process ended here."""


def _believed(result: Counted) -> Counted:
    if result.doubted is not None:
        raise DoubtedError(result.doubted)
    return result


class Faulty:
    """A connection on which one statement fails, counted from now. `fault` says how."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.left = -1
        self.fault: Callable[[], Exception] = DiedError

    def strike(self, after: int, fault: Callable[[], Exception]) -> None:
        """Let the statement fail that comes after so many more."""
        self.left, self.fault = after, fault

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        self._step()
        return self.db.execute(*arguments)

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:
        self._step()
        return self.db.executemany(*arguments)

    def _step(self) -> None:
        self.left -= 1
        if self.left == -1:
            raise self.fault()

    @property
    def in_transaction(self) -> bool:
        return self.db.in_transaction

    def close(self) -> None:
        self.db.close()


class Exporter:
    """Polls as the poller does. `clock` is how far our clock is from the real one, in seconds."""

    def __init__(self, directory: Path, world: World, rules: Rules, start: float) -> None:
        self.directory = directory
        self.world = world
        self.rules = rules
        self.start = start
        self.clock = 0.0
        self.shape = UsageShape.LOG
        self.batch = 3
        self.repeat = 0
        self.counted = self.duplicate = 0
        self._generation = 0
        self._span = FIRST_SPAN
        self._open(directory / "state-0.db")

    def _open(self, path: Path) -> None:
        self.store = Store(path)
        self.store.db.execute("PRAGMA synchronous = OFF")  # tests do not cut the power
        self.faulty = Faulty(self.store.db)
        self.store.db = self.faulty  # type: ignore[assignment]
        self.ledger = Ledger(self.store, self.rules)
        self.ledger.open_accounts([NAME], self.start, self.now)

    @property
    def now(self) -> float:
        """Our clock."""
        return self.world.now + self.clock

    @property
    def totals(self) -> AccountTotals:
        """What is shown outside."""
        return self.ledger.totals()[NAME]

    def restart(self) -> None:
        """Go on in another process, with what is on the disk at this moment."""
        old = self.store.path
        self._generation += 1
        new = self.directory / f"state-{self._generation}.db"
        for suffix in ("", "-wal"):
            if (source := old.with_name(old.name + suffix)).exists():
                shutil.copyfile(source, new.with_name(new.name + suffix))
        self.store.close()
        old.unlink()
        self._open(new)

    def poll(self, slices: int = 10_000) -> bool:
        """One round of usage: what is new, then the sweep if it is due. Whether it was finished.

        It is not where growth was doubted: the next one confirms it.
        """
        try:
            return self._round(slices)
        except DoubtedError:
            return False

    def _round(self, slices: int) -> bool:
        now = self.now
        cursor = self.ledger.cursor(NAME, "usage")
        reached = max(cursor.position, cursor.polled_ns / 1e9 if cursor.caught_up else 0.0)
        cursor = self.ledger.begin_round(NAME, "usage", now, reached)
        self._read(tail_of(cursor, now, step_of(cursor.shape)), now)
        for _ in range(slices):
            cursor = self.ledger.cursor(NAME, "usage")
            if cursor.sweep_from is None:
                break
            self._read(next_sweep_slice(cursor, now, self._span, step_of(cursor.shape)), now)
        return self.ledger.cursor(NAME, "usage").sweep_from is None

    def _read(self, span: Slice, now: float) -> Slice:
        assert span.since < span.until
        if self.shape is not UsageShape.LOG:
            days = self.shape is UsageShape.DAYS
            since = aligned(span.since, DAY if days else HOUR)
            span = Slice(since, span.until, span.tail, span.sweep)
            reading = self.world.rollup(since, span.until, days)
            result = _believed(self.ledger.commit_rollup(NAME, reading, span, None, now))
        else:
            rows = self.world.log(span.since, span.until)
            self._commit_batches(rows, span, now)
            return self._widen(span)
        self.counted += result.counted
        return self._widen(span)

    def _commit_batches(self, rows: Sequence[UsageRow], span: Slice, now: float) -> None:
        newest: float | None = None
        begins = list(range(0, len(rows), self.batch)) or [0]
        for begin in begins:
            some = rows[max(0, begin - self.repeat) : begin + self.batch]
            last = span if begin == begins[-1] else None
            result = _believed(self.ledger.commit_log(NAME, some, last, newest, now))
            newest = max([n for n in (newest, result.newest) if n is not None], default=None)
            self.counted += result.counted
            self.duplicate += result.duplicate

    def _widen(self, span: Slice) -> Slice:
        self._span = min(self._span * 2, LONGEST_SPAN) if not span.tail else FIRST_SPAN
        return span

    def poll_and_fail(self, after: int) -> bool:
        """Poll while the disk fails at some statement. Returns whether it did."""
        self.faulty.strike(after, lambda: sqlite3.OperationalError("disk I/O error"))
        try:
            self.poll()
        except StateError:
            return True
        finally:
            self.faulty.left = -1
        return False

    def poll_and_die(self, after: int) -> bool:
        """Poll, and end the process before some statement. Returns whether it came to that."""
        self.faulty.strike(after, DiedError)
        try:
            self.poll()
        except DiedError:
            self.restart()
            return True
        finally:
            self.faulty.left = -1
        return False

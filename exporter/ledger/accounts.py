"""The accounts of a state file: whose they are, since when they are counted, how far was read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from exporter.ledger.account_rows import open_account, read_cursor, write_cursor
from exporter.ledger.cursor import Cursor
from exporter.ledger.owners import Owner, read_owner, replaced
from exporter.ledger.store import BEGINS_NOW, SET_ASIDE, Store
from exporter.ledger.totals import AccountTotals, read_polled

RowKind = Literal["usage", "transactions"]
"""Each has a cursor of its own."""


class Accounts:
    """Accounts by name. All calls raise StateError."""

    def __init__(self, store: Store, start: Callable[[float], float]) -> None:
        """`start` gives when counting begins of an account that is new at some time (Unix s)."""
        self._store = store
        self._start = start
        self._ids: dict[str, int] = {}
        self._totals: dict[str, AccountTotals] = {}

    def open_accounts(
        self, names: Iterable[str], start: float | None = None, now: float = 0.0
    ) -> None:
        """Make accounts known, all in one commit.

        Of those that were not known, counting begins at `start` (Unix s), or with `begin`.
        """
        with self._store.transaction() as db:
            opened = {name: open_account(db, name) for name in names}
            self._ids.update(opened)
            if start is not None:
                for name in opened:
                    self._begin(db, name, Cursor.begin(start, now, now))
        self._totals.clear()

    def begin(self, name: str, now: float, polled: float) -> None:
        """Begin to count what was not counted so far; the instant is stored once.

        `now` (Unix s) is the gateway's time, `polled` is ours. Under a new identity, as after a
        state file was lost, history would be counted again: then counting begins now.
        """
        start = now if self._store.begins_now else self._start(now)
        with self._store.transaction() as db:
            self._begin(db, name, Cursor.begin(start, now, polled))
        self._totals.pop(name, None)

    def begin_anew(self, name: str, owner: Owner, now: float, polled: float) -> None:
        """From now on the name stands for another wallet; the old one's counts are set aside.

        `now` (Unix s) is the gateway's time, `polled` is ours.
        """
        with self._store.transaction() as db:
            account = replaced(db, self._ids[name], owner, int(polled * 1e9))
            for kind in ("usage", "transactions"):
                write_cursor(db, account, kind, Cursor.begin(now, now, polled))
        self._ids[name] = account
        self._totals.pop(name, None)

    def _begin(self, db: sqlite3.Connection, name: str, first: Cursor) -> None:
        for kind in ("usage", "transactions"):
            if read_cursor(db, self._ids[name], kind) is None:
                write_cursor(db, self._ids[name], kind, first)
        db.execute(
            "DELETE FROM meta WHERE name IN (?, ?) AND NOT EXISTS (SELECT 1 FROM account "
            "WHERE name NOT LIKE ' %' AND id NOT IN (SELECT account FROM cursor))",
            (SET_ASIDE, BEGINS_NOW),
        )

    def has_begun(self, name: str) -> bool:
        with self._store.reading() as db:
            return read_cursor(db, self._ids[name], "usage") is not None

    def cursor(self, name: str, kind: RowKind) -> Cursor:
        with self._store.reading() as db:
            cursor = read_cursor(db, self._ids[name], kind)
        assert cursor is not None, "begin comes first"
        return cursor

    def owner(self, name: str) -> Owner:
        """Whose an account was when it was read last."""
        with self._store.reading() as db:
            return read_owner(db, self._ids[name])

    def polled(self) -> Mapping[str, Mapping[str, int]]:
        """When the last complete poll of each stream began (Unix ns), by account.

        Only of streams that have counted something.
        """
        with self._store.reading() as db:
            return read_polled(db)

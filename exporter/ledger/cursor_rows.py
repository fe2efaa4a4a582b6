"""Cursors in the state file."""

from __future__ import annotations

import sqlite3

import msgspec

from exporter.ledger.cursor import Cursor

_COLUMNS = ", ".join(Cursor.__struct_fields__)
_PLACES = ", ".join("?" for _ in Cursor.__struct_fields__)


def read_cursor(db: sqlite3.Connection, account: int, stream: str) -> Cursor | None:
    row = db.execute(
        f"SELECT {_COLUMNS} FROM cursor WHERE account = ? AND stream = ?", (account, stream)
    ).fetchone()
    if row is None:
        return None
    cursor = Cursor(*row)
    return msgspec.structs.replace(cursor, caught_up=bool(cursor.caught_up))


def write_cursor(db: sqlite3.Connection, account: int, stream: str, cursor: Cursor) -> None:
    db.execute(
        f"INSERT OR REPLACE INTO cursor (account, stream, {_COLUMNS}) VALUES (?, ?, {_PLACES})",
        (account, stream, *msgspec.structs.astuple(cursor)),
    )

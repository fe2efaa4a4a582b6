"""Accounts and their cursors in the state file."""

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


def open_account(db: sqlite3.Connection, name: str) -> int:
    """The id of an account, which is made if there is none."""
    db.execute("INSERT OR IGNORE INTO account (name) VALUES (?)", (name,))
    (account,) = db.execute("SELECT id FROM account WHERE name = ?", (name,)).fetchone()
    return int(account)


def is_baselined(db: sqlite3.Connection, account: int) -> bool:
    """Whether it is known what the hour in which counting began held before it."""
    (baselined,) = db.execute("SELECT baselined FROM account WHERE id = ?", (account,)).fetchone()
    return bool(baselined)


def forget_usage(db: sqlite3.Connection, account: int, floor: float) -> None:
    """What is older than the floor is never counted again."""
    db.execute("DELETE FROM usage_mark WHERE account = ? AND hour < ?", (account, floor))
    db.execute("DELETE FROM cell WHERE account = ? AND hour < ?", (account, floor))


def forget_transactions(db: sqlite3.Connection, account: int, floor: float) -> None:
    db.execute(
        "DELETE FROM transaction_mark WHERE account = ? AND created_at < ?", (account, floor)
    )

"""Accounts and their cursors in the state file."""

from __future__ import annotations

import sqlite3

import msgspec

from exporter.gateway.readings import UsageShape
from exporter.ledger import spend, wallet
from exporter.ledger.cursor import DAY, Cursor, Slice, Window, advanced, aligned

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


class UsageRead(msgspec.Struct, frozen=True):
    """What was read of usage, and when by the gateway's clock and by ours (Unix s).

    `done` is the slice, if that is known; `ended`: nothing more of it is to come.
    """

    shape: UsageShape
    done: Slice | None
    ended: bool
    now: float
    polled: float


def advance_usage(
    db: sqlite3.Connection,
    account: int,
    window: Window,
    runway_window: float,
    cursor: Cursor,
    read: UsageRead,
    newest: float | None,
) -> None:
    """Move the cursor past a slice that was read to its end, and forget what is final.

    `runway_window` in seconds: for how long it is remembered how fast money is spent.
    """
    assert read.done is not None
    moved = advanced(cursor, read.done, read.now, newest, read.polled)
    moved = msgspec.structs.replace(moved, shape=read.shape.value)
    if cursor.shape not in (None, moved.shape) and moved.sweep_began is None:
        moved = moved.sweeping(read.now)  # every hour that is not final, in the new shape
    moved = window.after(moved)
    if read.shape is UsageShape.LOG:
        moved = _before_days(db, account, cursor, moved)
    write_cursor(db, account, "usage", moved)
    if moved.floor > cursor.floor:
        _forget_usage(db, account, moved.floor)
    if read.done.tail and moved.caught_up:
        spend.watch_usage(db, account, max(cursor.start, cursor.floor), read.now, runway_window)
        wallet.witness(db, account)
        before, polled = cursor.polled_ns / 1e9, moved.polled_ns / 1e9
        swept = read.done.sweep and cursor.sweep_began is not None
        wallet.settle_drift(db, account, before, polled, swept)


def _before_days(db: sqlite3.Connection, account: int, cursor: Cursor, moved: Cursor) -> Cursor:
    """No part of a day is final that stands as a rollup by days told it, but is read by a log."""
    (day_cell,) = db.execute(
        "SELECT MIN(hour) FROM cell WHERE account = ? AND rolled AND hour % 3600 = 1", (account,)
    ).fetchone()
    if day_cell is None:
        return moved
    floor = max(cursor.floor, min(moved.floor, aligned(day_cell, DAY)))
    return msgspec.structs.replace(moved, floor=floor)


def _forget_usage(db: sqlite3.Connection, account: int, floor: float) -> None:
    """What is older than the floor is never counted again.

    Cells are kept for the whole day, should the gateway change from hours to days.
    """
    day = aligned(floor, DAY)
    db.execute("DELETE FROM usage_mark WHERE account = ? AND hour < ?", (account, floor))
    db.execute("DELETE FROM cell WHERE account = ? AND hour < ?", (account, day))


def forget_transactions(db: sqlite3.Connection, account: int, floor: float) -> None:
    db.execute(
        "DELETE FROM transaction_mark WHERE account = ? AND created_at < ?", (account, floor)
    )

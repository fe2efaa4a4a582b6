"""What transactions add to which total. Each id counts once."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from exporter.gateway.readings import Transaction
from exporter.ledger.cursor import Cursor
from exporter.ledger.names import OTHER
from exporter.ledger.usage import Counted

MAX_KINDS = 100
"""Kinds of movements per account; further ones count under "other"."""


def count_transactions(
    db: sqlite3.Connection,
    account: int,
    cursor: Cursor,
    start_ns: int,
    items: Sequence[Transaction],
) -> Counted:
    """Count wallet movements. Those before `cursor.start` only say when their kind was last seen.

    `start_ns`: when series that appear now were last known to be zero (Unix ns).
    """
    kinds = {
        row[0]
        for row in db.execute("SELECT kind FROM last_transaction WHERE account = ?", (account,))
    }
    marked = _marked(db, account, [item.id for item in items])
    counted = duplicate = 0
    for item in items:
        kind = item.kind if item.kind in kinds or len(kinds) < MAX_KINDS else OTHER
        kinds.add(kind)
        db.execute(
            "INSERT INTO last_transaction VALUES (?, ?, ?) "
            "ON CONFLICT (account, kind) "
            "DO UPDATE SET created_at = max(created_at, excluded.created_at)",
            (account, kind, item.created_at),
        )
        if item.created_at < max(cursor.start, cursor.floor):
            continue
        if item.id in marked:
            duplicate += 1
            continue
        marked.add(item.id)
        db.execute(
            "INSERT INTO transaction_mark VALUES (?, ?, ?)", (account, item.id, item.created_at)
        )
        _add(db, account, kind, item.amount, start_ns)
        counted += 1
    return Counted(counted, duplicate, max((item.created_at for item in items), default=None))


def _marked(db: sqlite3.Connection, account: int, ids: list[str]) -> set[str]:
    rows = db.execute(
        f"SELECT id FROM transaction_mark WHERE account = ? AND id IN ({','.join('?' * len(ids))})",
        (account, *ids),
    )
    return {row[0] for row in rows}


def _add(db: sqlite3.Connection, account: int, kind: str, amount: int, start_ns: int) -> None:
    direction = "credit" if amount >= 0 else "debit"
    db.execute(
        "INSERT OR IGNORE INTO billing (account, kind, direction, start_ns) VALUES (?, ?, ?, ?)",
        (account, kind, direction, start_ns),
    )
    db.execute(
        "UPDATE billing SET amount = amount + ?, count = count + 1 "
        "WHERE account = ? AND kind = ? AND direction = ?",
        (abs(amount), account, kind, direction),
    )

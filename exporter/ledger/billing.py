"""What transactions add to which total. Each id counts once."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from exporter.gateway.readings import Transaction
from exporter.ledger.amounts import MOST
from exporter.ledger.cursor import Cursor
from exporter.ledger.names import OTHER
from exporter.ledger.usage import Counted

MAX_KINDS = 100
"""Kinds of movements per account; further ones count under "other"."""

_ASKED_AT_ONCE = 500


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
    refused: list[str] = []
    for item in items:
        kind = item.kind if item.kind in kinds or len(kinds) < MAX_KINDS else OTHER
        kinds.add(kind)
        _seen(db, account, kind, item.created_at)
        if item.created_at < max(cursor.start, cursor.floor):
            continue
        if item.id in marked:
            duplicate += 1
            continue
        if not _add(db, account, kind, item.amount, start_ns):
            refused.append(item.id)
            continue
        marked.add(item.id)
        db.execute(
            "INSERT INTO transaction_mark VALUES (?, ?, ?)", (account, item.id, item.created_at)
        )
        counted += 1
    newest = max((item.created_at for item in items), default=None)
    return Counted(counted, duplicate, newest, tuple(refused))


def _seen(db: sqlite3.Connection, account: int, kind: str, at: float) -> None:
    db.execute(
        "INSERT INTO last_transaction VALUES (?, ?, ?) "
        "ON CONFLICT (account, kind) "
        "DO UPDATE SET created_at = max(created_at, excluded.created_at)",
        (account, kind, at),
    )


def _marked(db: sqlite3.Connection, account: int, ids: list[str]) -> set[str]:
    found: set[str] = set()
    for begin in range(0, len(ids), _ASKED_AT_ONCE):
        asked = ids[begin : begin + _ASKED_AT_ONCE]
        rows = db.execute(
            "SELECT id FROM transaction_mark "
            f"WHERE account = ? AND id IN ({','.join('?' * len(asked))})",
            (account, *asked),
        )
        found.update(row[0] for row in rows)
    return found


def _add(db: sqlite3.Connection, account: int, kind: str, amount: int, start_ns: int) -> bool:
    """Whether the amount was added: not one with which the total would no longer fit 64 bits."""
    direction = "credit" if amount >= 0 else "debit"
    db.execute(
        "INSERT OR IGNORE INTO billing (account, kind, direction, start_ns) VALUES (?, ?, ?, ?)",
        (account, kind, direction, start_ns),
    )
    added = db.execute(
        "UPDATE billing SET amount = amount + ?, count = count + 1 "
        "WHERE account = ? AND kind = ? AND direction = ? AND amount <= ?",
        (abs(amount), account, kind, direction, MOST - abs(amount)),
    )
    return added.rowcount > 0

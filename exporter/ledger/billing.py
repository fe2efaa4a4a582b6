"""What transactions add to which total. Each id counts once, by what it says last."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence

import msgspec

from exporter.gateway.readings import Stage, Transaction
from exporter.ledger.amounts import MOST
from exporter.ledger.cursor import Cursor
from exporter.ledger.names import OTHER
from exporter.ledger.usage import Counted

MAX_KINDS = 100
"""Kinds of movements per account; further ones count under "other"."""

_ASKED_AT_ONCE = 500


class _Mark(msgspec.Struct, frozen=True):
    """What is remembered of a movement, in nano-USD.

    `amount`: what of it was counted, None if nothing yet; `pending`: what it announces. `kind` is
    None in marks of version 0.1.0, which know no amount: what it says next was counted.
    """

    kind: str | None
    amount: int | None
    pending: int | None


def count_transactions(
    db: sqlite3.Connection,
    account: int,
    cursor: Cursor,
    start_ns: int,
    items: Sequence[Transaction],
) -> Counted:
    """Count wallet movements, each by what its amount has changed since it was read last.

    Those before `cursor.start` only say when their kind was last seen. Movements bear whole
    seconds: of those in the second of the start, what the first poll sees was there before it.
    `start_ns`: when series that appear now were last known to be zero (Unix ns).
    """
    kinds = {
        row[0]
        for row in db.execute("SELECT kind FROM last_transaction WHERE account = ?", (account,))
    }
    marks = _marks(db, account, [item.id for item in items])
    first = not cursor.caught_up and cursor.position <= cursor.start
    begins_now = first and cursor.swept_at <= cursor.start
    counted = duplicate = 0
    refused: list[str] = []
    for item in items:
        kind = item.kind if item.kind in kinds or len(kinds) < MAX_KINDS else OTHER
        if item.stage is Stage.GOOD:
            kinds.add(kind)
            _seen(db, account, kind, item.created_at)
        if item.created_at < max(math.floor(cursor.start), cursor.floor):
            continue
        known = marks.get(item.id)
        mark = _marked(item, known, kind)
        early = item.created_at < cursor.start or (begins_now and item.created_at == cursor.start)
        there_before = known is None and first and early
        legacy = known is not None and known.kind is None
        if known == mark or legacy:
            duplicate += 1
        elif not there_before and mark.amount != (known and known.amount):
            if not _add(db, account, mark, known, start_ns):
                refused.append(item.id)
                continue
            counted += 1
        marks[item.id] = mark
        db.execute(
            "INSERT OR REPLACE INTO transaction_mark (account, id, created_at, kind, amount, "
            "pending) VALUES (?, ?, ?, ?, ?, ?)",
            (account, item.id, item.created_at, mark.kind, mark.amount, mark.pending),
        )
    newest = max((item.created_at for item in items), default=None)
    return Counted(counted, duplicate, newest, tuple(refused))


def oldest_pending(db: sqlite3.Connection, account: int) -> float | None:
    """When the oldest movement that is announced and not yet money was made (Unix s)."""
    (at,) = db.execute(
        "SELECT MIN(created_at) FROM transaction_mark WHERE account = ? AND pending IS NOT NULL",
        (account,),
    ).fetchone()
    return None if at is None else float(at)


def pending(db: sqlite3.Connection, account: int) -> list[tuple[str, int, int]]:
    """Kind, sum (nano-USD) and number of what is announced and not yet money."""
    return db.execute(
        "SELECT kind, SUM(pending), COUNT(*) FROM transaction_mark "
        "WHERE account = ? AND pending IS NOT NULL GROUP BY kind ORDER BY kind",
        (account,),
    ).fetchall()


def _seen(db: sqlite3.Connection, account: int, kind: str, at: float) -> None:
    db.execute(
        "INSERT INTO last_transaction VALUES (?, ?, ?) "
        "ON CONFLICT (account, kind) "
        "DO UPDATE SET created_at = max(created_at, excluded.created_at)",
        (account, kind, at),
    )


def _marked(item: Transaction, known: _Mark | None, kind: str) -> _Mark:
    """What is remembered from now on. The kind stays as it was; what failed counts back."""
    amount = item.amount if item.stage is Stage.GOOD else None
    if amount is None and known is not None and known.amount is not None:
        amount = 0
    pending = item.amount if item.stage is Stage.PENDING else None
    return _Mark((known and known.kind) or kind, amount, pending)


def _marks(db: sqlite3.Connection, account: int, ids: list[str]) -> dict[str, _Mark]:
    found: dict[str, _Mark] = {}
    for begin in range(0, len(ids), _ASKED_AT_ONCE):
        asked = ids[begin : begin + _ASKED_AT_ONCE]
        rows = db.execute(
            "SELECT id, kind, amount, pending FROM transaction_mark "
            f"WHERE account = ? AND id IN ({','.join('?' * len(asked))})",
            (account, *asked),
        )
        found.update((row[0], _Mark(*row[1:])) for row in rows)
    return found


def _add(
    db: sqlite3.Connection, account: int, mark: _Mark, known: _Mark | None, start_ns: int
) -> bool:
    """Count what the movement has changed by: a smaller credit counts as a debit.

    Whether it was added: not a step with which the total would no longer fit 64 bits.
    """
    before = None if known is None else known.amount
    step = (mark.amount or 0) - (before or 0)
    direction = "credit" if step >= 0 else "debit"
    db.execute(
        "INSERT OR IGNORE INTO billing (account, kind, direction, start_ns) VALUES (?, ?, ?, ?)",
        (account, mark.kind, direction, start_ns),
    )
    added = db.execute(
        "UPDATE billing SET amount = amount + ?, count = count + ? "
        "WHERE account = ? AND kind = ? AND direction = ? AND amount <= ?",
        (abs(step), before is None, account, mark.kind, direction, MOST - abs(step)),
    )
    return added.rowcount > 0

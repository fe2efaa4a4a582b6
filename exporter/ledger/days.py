"""What was counted of each day (UTC), for the books of a month: kept when its cells are forgotten.

Stands in the table `spend` under a source of its own, with the day's first second as its hour.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from exporter.ledger.cursor import DAY, aligned

_SOURCE = "usage by day"
_KEPT = 400 * DAY


def count_days(db: sqlite3.Connection, account: int, steps: Mapping[int, int], now: float) -> None:
    """Usage costs so much more, by hour (nano-USD), than its cells held before this commit.

    The first time, cells tell: they hold whole days, and these steps already.
    """
    if not db.execute(
        "SELECT 1 FROM spend WHERE account = ? AND source = ? LIMIT 1", (account, _SOURCE)
    ).fetchone():
        days = db.execute(
            "SELECT hour / 86400 * 86400, SUM(cost) FROM cell WHERE account = ? GROUP BY 1",
            (account,),
        ).fetchall()
    else:
        days = [(int(aligned(hour, DAY)), step) for hour, step in steps.items() if step]
    db.executemany(
        "INSERT INTO spend VALUES (?, ?, ?, ?, 0) ON CONFLICT (account, source, hour) "
        "DO UPDATE SET spent = spent + excluded.spent",
        [(account, _SOURCE, day, step) for day, step in days],
    )
    db.execute(
        "DELETE FROM spend WHERE account = ? AND source = ? AND hour < ?",
        (account, _SOURCE, now - _KEPT),
    )


def counted_days(db: sqlite3.Connection, account: int) -> dict[int, int]:
    """What was counted (nano-USD) by day; nothing is known of days before the first of them."""
    rows = db.execute(
        "SELECT hour, spent FROM spend WHERE account = ? AND source = ? ORDER BY hour",
        (account, _SOURCE),
    )
    return dict(rows.fetchall())

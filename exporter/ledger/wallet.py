"""What account readings leave in the ledger: lifetime counters, drift and runway.

The lifetime counters are the gateway's own. They are kept as high-water marks, because a
counter may not fall.
"""

from __future__ import annotations

import sqlite3

from exporter.gateway.readings import AccountReading

_SAMPLES = 72
_YOUNGEST = 720
"""A runway needs spend over at least 1/720 of its window: 30 s of 6 h."""


def count_account(
    db: sqlite3.Connection, account: int, reading: AccountReading, caught_up: bool, window: float
) -> bool:
    """Take over one account reading. `caught_up`: usage was read up to now; `window` in seconds.

    Returns whether drift is measured from this reading on: then a sweep must follow, for rows
    that were late before it.
    """
    db.execute(
        "UPDATE account SET available = :available, "
        "last_spent = COALESCE(:spent, last_spent), "
        "first_spent = COALESCE(first_spent, CASE WHEN NOT baselined THEN :spent END), "
        "wallet_start_ns = CASE WHEN wallet_start_ns = 0 THEN :start ELSE wallet_start_ns END, "
        "topup = CASE WHEN :topup IS NULL THEN topup ELSE max(COALESCE(topup, 0), :topup) END, "
        "spent = CASE WHEN :spent IS NULL THEN spent ELSE max(COALESCE(spent, 0), :spent) END "
        "WHERE id = :account",
        {
            "account": account,
            "available": reading.available,
            "start": int((reading.created_at or reading.observed_at) * 1e9),
            "topup": reading.lifetime_topup,
            "spent": reading.lifetime_spent,
        },
    )
    used = usage_total(db, account)
    anchored = False
    if reading.lifetime_spent is not None:
        anchored = caught_up and _anchor(db, account, reading.lifetime_spent, used)
        _measure_drift(db, account, reading.lifetime_spent, used)
    source, spent = (
        ("usage", used) if reading.lifetime_spent is None else ("wallet", reading.lifetime_spent)
    )
    _sample(db, account, reading.observed_at, source, spent, window)
    return anchored


def usage_total(db: sqlite3.Connection, account: int) -> int:
    """What usage was billed since counting began, corrections included, in nano-USD."""
    row = db.execute(
        "SELECT COALESCE(SUM(cost), 0) FROM series WHERE account = ?", (account,)
    ).fetchone()
    return int(row[0])


def spent_since_first(db: sqlite3.Connection, account: int) -> int:
    """What was spent between the first account reading and the newest, in nano-USD."""
    (spent,) = db.execute(
        "SELECT COALESCE(last_spent - first_spent, 0) FROM account WHERE id = ?", (account,)
    ).fetchone()
    return max(0, int(spent))


def grown(db: sqlite3.Connection, account: int) -> int:
    """How much lifetime spend has grown since usage was counted last; 0 where it says nothing."""
    (growth,) = db.execute(
        "SELECT COALESCE(last_spent - witness_spent, 0) FROM account WHERE id = ?", (account,)
    ).fetchone()
    return int(growth)


def witness(db: sqlite3.Connection, account: int) -> None:
    """Usage was counted up to now: see `grown`."""
    db.execute("UPDATE account SET witness_spent = last_spent WHERE id = ?", (account,))


def settle_drift(
    db: sqlite3.Connection, account: int, before: float, now: float, swept: bool
) -> None:
    """Usage was read to its end: the lower bound of the drift.

    Spend between the two polls shows on one side only. So there are two bounds: the usage read
    before an account reading can only be too low, the usage read after it only too high. It is the
    first round after a reading that tells most, one that began at `now` while the last began
    `before` it (Unix s): each later one holds more that was spent since, and would hide drift where
    the account is polled more rarely than usage. A sweep is another matter: what it found is what
    the reading knew of already.
    """
    used = usage_total(db, account)
    if swept:
        db.execute(
            "UPDATE account SET anchor_usage_high = COALESCE(anchor_usage_high, ?) "
            "WHERE id = ? AND anchor_spent IS NOT NULL",
            (used, account),
        )
    (at,) = db.execute("SELECT MAX(at) FROM spend_sample WHERE account = ?", (account,)).fetchone()
    if at is None or at > now or (at < before and not swept):
        return
    db.execute(
        "UPDATE account SET drift_low = last_spent - anchor_spent - (? - anchor_usage_low) "
        "WHERE id = ? AND anchor_usage_high IS NOT NULL",
        (used, account),
    )


def drift_between(low: int | None, high: int | None) -> int | None:
    """The drift that the time between two polls cannot explain: the bound nearest to zero."""
    if low is None or high is None:
        return None
    low, high = min(low, high), max(low, high)
    return low if low > 0 else min(high, 0)


def runway(db: sqlite3.Connection, account: int, window: float) -> float | None:
    """Seconds until the balance is spent, at the rate of the last `window` seconds.

    None while the balance is unknown, or nothing was spent. Top-ups do not disturb it.
    """
    (available,) = db.execute("SELECT available FROM account WHERE id = ?", (account,)).fetchone()
    latest = db.execute(
        "SELECT at, source, spent FROM spend_sample WHERE account = ? ORDER BY at DESC LIMIT 1",
        (account,),
    ).fetchone()
    if available is None or latest is None:
        return None
    at, source, spent = latest
    earliest = db.execute(
        "SELECT at, spent FROM spend_sample "
        "WHERE account = ? AND source = ? AND at >= ? ORDER BY at LIMIT 1",
        (account, source, at - window),
    ).fetchone()
    elapsed, growth = at - earliest[0], spent - earliest[1]
    if growth <= 0 or elapsed < window / _YOUNGEST:
        return None
    return float(max(available, 0) * elapsed / growth)


def _anchor(db: sqlite3.Connection, account: int, spent: int, used: int) -> bool:
    """Set the point from which drift is measured, or narrow it. Returns whether it was set.

    Usage that was read long before the reading leaves room in which later losses would hide. A
    reading that comes closer after its usage takes that room away.
    """
    first = db.execute(
        "UPDATE account SET anchor_spent = ?, anchor_usage_low = ? "
        "WHERE id = ? AND anchor_spent IS NULL",
        (spent, used, account),
    )
    if first.rowcount:
        return True
    db.execute(
        "UPDATE account SET anchor_usage_low = "
        "max(anchor_usage_low, min(anchor_usage_high, ? - (? - anchor_spent))) "
        "WHERE id = ? AND anchor_usage_high IS NOT NULL",
        (used, spent, account),
    )
    return False


def _measure_drift(db: sqlite3.Connection, account: int, spent: int, used: int) -> None:
    """The upper bound of the drift."""
    db.execute(
        "UPDATE account SET drift_high = ? - anchor_spent - (? - anchor_usage_high) WHERE id = ?",
        (spent, used, account),
    )


def _sample(
    db: sqlite3.Connection, account: int, at: float, source: str, spent: int, window: float
) -> None:
    """Keep one sample for each 1/72 of the window, the newest one and nothing older."""
    db.execute(
        "DELETE FROM spend_sample WHERE account = ? AND (source <> ? OR at > ?)",
        (account, source, at),
    )
    rows = db.execute(
        "SELECT at FROM spend_sample WHERE account = ? ORDER BY at DESC LIMIT 2", (account,)
    ).fetchall()
    if len(rows) == 2 and rows[0][0] - rows[1][0] < window / _SAMPLES:
        db.execute("DELETE FROM spend_sample WHERE account = ? AND at = ?", (account, rows[0][0]))
    db.execute(
        "DELETE FROM spend_sample WHERE account = ? AND at < ?", (account, at - window * 1.1)
    )
    db.execute(
        "INSERT OR REPLACE INTO spend_sample VALUES (?, ?, ?, ?)", (account, at, source, spent)
    )

"""How fast money is spent, by the hours in which it was: what a runway is made of.

What usage tells stands in the hour of its rows, however late they were counted. What only a
balance or lifetime spend tells stands between the two readings that it moved between. With it goes
for how long each hour was watched. Money in nano-USD, instants in Unix seconds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import msgspec

from exporter.ledger.cursor import HOUR, hour_of

USAGE = "usage"
LIFETIME = "lifetime"
BALANCE = "balance"

LEAST = 24
"""A rate is known once a 24th of its window was watched: 15 minutes of 6 h."""

_HELD = 600.0
"""Seconds within which a balance that comes back was only held."""

_SET_BACK = 60.0
"""Seconds by which a clock must go back to have been set."""


class Rate(msgspec.Struct, frozen=True):
    """So much (nano-USD) was spent in so many seconds that were watched."""

    spent: int
    seconds: float


class _Watch(msgspec.Struct, frozen=True):
    """Until when a source was watched, what it said then, and what had fallen just before."""

    at: float
    value: int = 0
    fell: int = 0


def organization(of: str | None) -> str:
    """The source that is the balance of the organization with this id, should it have one."""
    return f"organization {of or ''}"


def count(db: sqlite3.Connection, account: int, steps: Mapping[int, int]) -> None:
    """Usage of these hours costs so much more, or less, than was counted before."""
    db.executemany(
        "INSERT INTO spend (account, source, hour, spent) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (account, source, hour) DO UPDATE SET spent = spent + excluded.spent",
        [(account, USAGE, hour, step) for hour, step in steps.items() if step],
    )


def watch_usage(
    db: sqlite3.Connection, account: int, begin: float, now: float, window: float
) -> None:
    """Usage was read up to `now`; at the first time from `begin` on."""
    before = _watched(db, account, USAGE)
    if before is not None and now < before.at - _SET_BACK:
        forget(db, account, USAGE)
        before = _Watch(now)
    since = begin if before is None else before.at
    if since < now:
        _add(db, account, USAGE, since, now, 0, window)
    _note(db, account, USAGE, _Watch(max(since, now)))


def observe(
    db: sqlite3.Connection,
    account: int,
    source: str,
    at: float,
    value: int,
    window: float,
    *,
    falls: bool,
) -> None:
    """What a source says at `at`. It `falls`, as a balance does, or grows, as lifetime spend.

    The time in which it moved the other way is not counted: a top-up hides what was spent
    meanwhile. But what fell just before and is back at once was held and not spent.
    """
    before = _watched(db, account, source)
    if before is not None and at < before.at - _SET_BACK:
        forget(db, account, source)
        before = None
    if before is None:
        _note(db, account, source, _Watch(at, value))
        return
    if at <= before.at:
        return
    spent = before.value - value if falls else value - before.value
    if spent >= -before.fell:
        _add(db, account, source, before.at, at, spent, window)
    fell = 0
    if falls and at - before.at <= _HELD:
        fell = spent if spent >= 0 else max(0, before.fell + spent)
    _note(db, account, source, _Watch(at, value, fell))


def rate(db: sqlite3.Connection, account: int, source: str, window: float) -> Rate | None:
    """What was spent over the last `window` seconds, in whole hours.

    None where too little of them was watched.
    """
    watch = _watched(db, account, source)
    if watch is None:
        return None
    spent, seconds = db.execute(
        "SELECT COALESCE(SUM(spent), 0), TOTAL(seconds) FROM spend "
        "WHERE account = ? AND source = ? AND hour BETWEEN ? AND ?",
        (account, source, hour_of(watch.at - window), watch.at),
    ).fetchone()
    return Rate(spent, seconds) if seconds >= window / LEAST else None


def rate_of_wallet(db: sqlite3.Connection, account: int, window: float) -> Rate | None:
    """The rate that the wallet itself tells: lifetime spend, where there is none the balance."""
    lifetime, balance = (_watched(db, account, source) for source in (LIFETIME, BALANCE))
    newer = balance is not None and (lifetime is None or lifetime.at < balance.at)
    return rate(db, account, BALANCE if newer else LIFETIME, window)


def rate_of_organization(db: sqlite3.Connection, account: int, window: float) -> Rate | None:
    """The rate at which the balance of the organization falls that was told of last."""
    row = db.execute(
        "SELECT source FROM spend_watch WHERE account = ? AND source LIKE 'organization %' "
        "ORDER BY at DESC LIMIT 1",
        (account,),
    ).fetchone()
    return None if row is None else rate(db, account, row[0], window)


def forget(db: sqlite3.Connection, account: int, source: str | None = None) -> None:
    """From now on it is watched anew, all of it or one source."""
    for table in ("spend", "spend_watch"):
        db.execute(
            f"DELETE FROM {table} WHERE account = ? AND source = COALESCE(?, source)",
            (account, source),
        )


def _watched(db: sqlite3.Connection, account: int, source: str) -> _Watch | None:
    row = db.execute(
        "SELECT at, value, fell FROM spend_watch WHERE account = ? AND source = ?",
        (account, source),
    ).fetchone()
    return None if row is None else _Watch(*row)


def _note(db: sqlite3.Connection, account: int, source: str, watch: _Watch) -> None:
    db.execute(
        "INSERT OR REPLACE INTO spend_watch VALUES (?, ?, ?, ?, ?)",
        (account, source, *msgspec.structs.astuple(watch)),
    )


def _add(
    db: sqlite3.Connection,
    account: int,
    source: str,
    since: float,
    until: float,
    spent: int,
    window: float,
) -> None:
    """Spread what was spent over the hours in between, as far as the window reaches back."""
    oldest = hour_of(until - window)
    hour = max(hour_of(since), oldest)
    while hour < until:
        begin, end = max(since, hour), min(until, hour + HOUR)
        done, left = ((edge - since) / (until - since) for edge in (begin, end))
        db.execute(
            "INSERT INTO spend VALUES (?, ?, ?, ?, ?) ON CONFLICT (account, source, hour) "
            "DO UPDATE SET spent = spent + excluded.spent, seconds = seconds + excluded.seconds",
            (account, source, hour, round(spent * left) - round(spent * done), end - begin),
        )
        hour += int(HOUR)
    db.execute(
        "DELETE FROM spend WHERE account = ? AND source = ? AND hour < ?",
        (account, source, oldest),
    )

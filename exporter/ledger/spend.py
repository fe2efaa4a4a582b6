"""How fast money is spent, by the hours in which it was: what a runway is made of.

What usage tells stands in the hour of its rows, however late they were counted. What only a
balance or lifetime spend tells stands between the two readings that it moved between. With it goes
for how long each hour was watched. Money in nano-USD, instants in Unix seconds.
"""

from __future__ import annotations

import sqlite3

import msgspec

from exporter.gateway.readings import AccountReading
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


def count(
    db: sqlite3.Connection, account: int, begin: int, length: float, step: int, now: float
) -> None:
    """Usage of an hour, or a day, costs so much more, or less, than was counted before.

    What a day has more is spent since usage was read last, where the day was not over then.
    """
    since, until = float(begin), max(begin + HOUR, min(begin + length, now))
    watch = _watched(db, account, USAGE) if length > HOUR else None
    if watch is not None and step > 0 and watch.at < until:
        since = max(since, watch.at)
    _spread(db, account, USAGE, since, until, step)


def watch_usage(
    db: sqlite3.Connection, account: int, begin: float, now: float, window: float
) -> None:
    """Usage was read up to `now`; at the first time from `begin` on."""
    before = _watched(db, account, USAGE)
    if before is not None and now < before.at - _SET_BACK:
        _forget(db, account, USAGE)
        before = _Watch(now)
    since = begin if before is None else before.at
    if since < now:
        _add(db, account, USAGE, since, now, 0, window)
    _note(db, account, USAGE, _Watch(max(since, now)))


def watch_account(
    db: sqlite3.Connection,
    account: int,
    reading: AccountReading,
    organization: int | None,
    at: float,
    window: float,
) -> None:
    """How fast money leaves the wallets, as far as they tell it themselves.

    `organization`: what its organization's wallet holds, None where that is unknown. Each
    organization is a source of its own: another one's balance is no spending.
    """
    whose = reading.organization
    for source, value in (
        (LIFETIME, reading.lifetime_spent),
        (BALANCE, reading.available),
        (f"organization {whose.id if whose is not None else ''}", organization),
    ):
        if value is not None:
            observe(db, account, source, at, value, window, falls=source != LIFETIME)


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
        _forget(db, account, source)
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
        "SELECT TOTAL(spent), TOTAL(seconds) FROM spend "
        "WHERE account = ? AND source = ? AND hour BETWEEN ? AND ?",
        (account, source, hour_of(watch.at - window), watch.at),
    ).fetchone()
    return Rate(int(spent), seconds) if seconds >= window / LEAST else None


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


def _forget(db: sqlite3.Connection, account: int, source: str) -> None:
    """From now on the source is watched anew."""
    for table in ("spend", "spend_watch"):
        db.execute(f"DELETE FROM {table} WHERE account = ? AND source = ?", (account, source))


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
    """So much was spent in a time that was watched. What the window has left behind goes."""
    oldest = hour_of(until - window)
    if since < oldest:
        spent, since = round(spent * (until - oldest) / (until - since)), oldest
    _spread(db, account, source, since, until, spent, watched=True)
    db.execute(
        "DELETE FROM spend WHERE account = ? AND source = ? AND hour < ?",
        (account, source, oldest),
    )


def _spread(
    db: sqlite3.Connection,
    account: int,
    source: str,
    since: float,
    until: float,
    spent: int,
    *,
    watched: bool = False,
) -> None:
    """Spread what was spent evenly over the hours of a time, exactly."""
    hour, put = hour_of(since), 0
    while hour < until:
        begin, end = max(since, hour), min(until, hour + HOUR)
        done = spent if end == until else round(spent * (end - since) / (until - since))
        share = done - put
        put += share
        db.execute(
            "INSERT INTO spend VALUES (?, ?, ?, ?, ?) ON CONFLICT (account, source, hour) "
            "DO UPDATE SET spent = spent + excluded.spent, seconds = seconds + excluded.seconds",
            (account, source, hour, share, end - begin if watched else 0.0),
        )
        hour += int(HOUR)

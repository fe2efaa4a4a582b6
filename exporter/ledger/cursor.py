"""How far a stream of rows has been read, and which range to read next. Pure.

Usage and transactions are followed in the same way. Rows may arrive late, so the newest part is
read again at every poll (`OVERLAP`), and everything that is not final yet is swept now and then.
After an outage the stream is read oldest first, in slices that are committed one by one.

A row is final once its range was read later than its settle window lasts: then it has appeared,
and changes no more. What is older than `Cursor.floor` is final; its marks are gone and it is
never counted again. Every sweep begins at the floor.
"""

from __future__ import annotations

import math

import msgspec

HOUR = 3600.0
OVERLAP = 300.0
"""Seconds before the cursor that every poll reads again."""

AHEAD = 3600.0
"""How far the gateway's clock and ours may differ, in seconds, without hiding or closing a row."""

FIRST_SPAN = 6 * HOUR
LONGEST_SPAN = 8 * 24 * HOUR


def hour_of(instant: float) -> int:
    """The Unix second at which the hour of `instant` begins."""
    return int(instant // HOUR * HOUR)


class Cursor(msgspec.Struct, frozen=True):
    """One stream of one account. Instants are Unix seconds, but `polled_ns`.

    Nothing before `start` is counted. Everything before `position` was read at least once;
    `newest` is the newest row that was seen. What is older than `floor` is final. `polled_ns`
    (Unix ns) is when the last complete poll began. The last complete sweep began at `swept_at`;
    one that began at `sweep_began` has got as far as `sweep_from`; both are None between sweeps.
    """

    start: float
    position: float
    floor: float
    polled_ns: int
    swept_at: float
    newest: float | None = None
    sweep_from: float | None = None
    shape: str | None = None
    caught_up: bool = False
    sweep_began: float | None = None

    @classmethod
    def begin(cls, start: float, now: float) -> Cursor:
        return cls(
            start=start,
            position=start,
            floor=hour_of(start),
            polled_ns=int(now * 1e9),
            swept_at=now,
        )

    def sweeping(self, now: float) -> Cursor:
        """From now on everything that is not final is read again, slice by slice."""
        return msgspec.structs.replace(self, sweep_from=self.floor, sweep_began=now)


class Slice(msgspec.Struct, frozen=True):
    """A range to read: `since` ≤ time < `until`. `tail` reaches to now, `sweep` reads again."""

    since: float
    until: float
    tail: bool
    sweep: bool


class Window(msgspec.Struct, frozen=True):
    """How long rows may change, in seconds, and what follows from it."""

    settle: float

    @property
    def sweep_every(self) -> float:
        """At least two sweeps in each window."""
        return self.settle / 2

    def after(self, cursor: Cursor, now: float) -> Cursor:
        """What a cursor that has just moved closes, and whether its catching up is a sweep.

        A long outage is caught up by sweeping, so that what was late before it is read in the
        same pass.
        """
        if cursor.swept_at > now:  # our clock was ahead: when that sweep began is not known
            swept_at = cursor.floor + self.settle + AHEAD
            cursor = msgspec.structs.replace(cursor, swept_at=swept_at)
        cursor = msgspec.structs.replace(cursor, floor=self._floor(cursor))
        due = now - cursor.swept_at >= self.sweep_every
        if due and not cursor.caught_up and cursor.sweep_from is None:
            return cursor.sweeping(now)
        return cursor

    def _floor(self, cursor: Cursor) -> float:
        """Everything below was read when it was final.

        Follows the newest row and not the clock alone: a clock that jumps ahead closes nothing.
        """
        if cursor.newest is None:
            return cursor.floor
        final = cursor.swept_at - self.settle - AHEAD
        if cursor.sweep_from is not None and cursor.sweep_began is not None:
            final = max(final, min(cursor.sweep_from, cursor.sweep_began - self.settle - AHEAD))
        rows = min(cursor.newest, cursor.position) - self.settle - AHEAD
        return max(cursor.floor, hour_of(min(final, rows)))


def next_slice(cursor: Cursor, now: float, span: float, aligned: bool) -> Slice:
    """The next range of the stream. `aligned`: begin at a whole hour, as a rollup needs it.

    Where a sweep is catching up, this is the sweep's next range.
    """
    position = max(cursor.position, cursor.start)
    if position > now + AHEAD:  # our clock was ahead and has come back
        position = min(now, cursor.newest if cursor.newest is not None else now)
    until = hour_of(position) + span
    tail = until + AHEAD >= now
    if not cursor.caught_up and cursor.sweep_from is not None and cursor.sweep_from <= position:
        swept = next_sweep_slice(cursor.sweep_from, now, span)
        if swept.tail or not tail:
            return swept
    # Movements bear whole seconds: one in the second of the start may have come after it.
    since = min(now, max(math.floor(cursor.start), position - OVERLAP))
    return Slice(hour_of(since) if aligned else since, now + AHEAD if tail else until, tail, False)


def next_sweep_slice(sweep_from: float, now: float, span: float) -> Slice:
    """The next range of a sweep that has got as far as `sweep_from`."""
    since = hour_of(min(sweep_from, now))
    until = since + span
    tail = until + AHEAD >= now
    return Slice(since, now + AHEAD if tail else until, tail, True)


def advanced(cursor: Cursor, done: Slice, now: float, newest: float | None) -> Cursor:
    """The cursor after a slice was read to its end; `newest`: the newest row in it."""
    if newest is not None and cursor.newest is not None:
        newest = max(min(newest, now), cursor.newest)
    elif newest is not None:
        newest = min(newest, now)
    else:
        newest = cursor.newest
    cursor = msgspec.structs.replace(cursor, newest=newest)
    if done.sweep:
        cursor = _swept(cursor, done, now)
        if done.since > cursor.position:
            return cursor
    if not done.tail:
        position = max(cursor.position, done.until) if done.sweep else done.until
        caught_up = cursor.caught_up and done.sweep
        return msgspec.structs.replace(cursor, position=position, caught_up=caught_up)
    # The newest row, not the clock, moves the tail: a clock of ours that is ahead skips nothing.
    return msgspec.structs.replace(
        cursor,
        position=max(min(cursor.position, now), newest or 0.0),
        caught_up=True,
        polled_ns=int(now * 1e9),
    )


def _swept(cursor: Cursor, done: Slice, now: float) -> Cursor:
    if not done.tail:
        return msgspec.structs.replace(cursor, sweep_from=done.until)
    began = cursor.sweep_began if cursor.sweep_began is not None else now
    return msgspec.structs.replace(cursor, sweep_from=None, sweep_began=None, swept_at=began)

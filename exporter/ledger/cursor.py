"""How far a stream of rows has been read, and which range to read next. Pure.

Usage and transactions are followed in the same way. Rows may arrive late, so the newest part is
read again at every poll (`OVERLAP`), and everything that may still change is swept now and then.
After an outage the stream is read oldest first, in slices that are committed one by one.
"""

from __future__ import annotations

import msgspec

HOUR = 3600.0
OVERLAP = 300.0
"""Seconds before the cursor that every poll reads again."""

AHEAD = 3600.0
"""How far past our clock a poll asks, in seconds, so that a slow clock of ours hides no row."""

FIRST_SPAN = 6 * HOUR
LONGEST_SPAN = 8 * 24 * HOUR
ROLLUP_SPAN = 89 * 24 * HOUR
"""A rollup answers 90 days at most."""


def hour_of(instant: float) -> int:
    """The Unix second at which the hour of `instant` begins."""
    return int(instant // HOUR * HOUR)


class Cursor(msgspec.Struct, frozen=True):
    """One stream of one account. Instants are Unix seconds, but `polled_ns`.

    Nothing before `start` is counted. Everything before `position` was read at least once;
    `newest` is the newest row that was seen. What is older than `floor` is final: its
    deduplication marks are gone, and rows there are ignored. `polled_ns` (Unix ns) is when the
    last complete poll began. A sweep has got as far as `sweep_from`; None between sweeps.
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

    @classmethod
    def begin(cls, start: float, now: float) -> Cursor:
        """The cursor of a first start."""
        return cls(
            start=start,
            position=start,
            floor=hour_of(start),
            polled_ns=int(now * 1e9),
            swept_at=now,
        )


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

    @property
    def sweep_depth(self) -> float:
        """Far enough back that a row which settles at the end of its window meets a sweep."""
        return self.settle * 1.5

    @property
    def keep(self) -> float:
        """How long marks and cells are kept."""
        return self.settle * 2

    def floor(self, cursor: Cursor, now: float) -> float:
        """The new floor. Moves in steps, because each step clears out old marks.

        Follows the newest row and not the clock alone: a clock that jumps ahead closes nothing.
        """
        if cursor.newest is None:
            return cursor.floor
        settled = min(cursor.newest, cursor.position, now) - self.keep
        step = max(HOUR, self.settle / 4 // HOUR * HOUR)
        return max(cursor.floor, settled // step * step)


def next_slice(cursor: Cursor, now: float, span: float, aligned: bool) -> Slice:
    """The next range of the stream. `aligned`: begin at a whole hour, as a rollup needs it."""
    position = cursor.position
    if position > now + AHEAD:  # our clock was ahead and has come back
        position = min(now, cursor.newest if cursor.newest is not None else now)
    until = hour_of(position) + span
    tail = until >= now
    since = max(cursor.start, position - OVERLAP)
    return Slice(hour_of(since) if aligned else since, now + AHEAD if tail else until, tail, False)


def begin_sweep(cursor: Cursor, window: Window, now: float) -> float:
    """Where a sweep begins: a whole hour, nothing before the floor."""
    return max(hour_of(cursor.start), cursor.floor, hour_of(now - window.sweep_depth))


def next_sweep_slice(sweep_from: float, now: float, span: float) -> Slice:
    """The next range of a sweep that has got as far as `sweep_from`."""
    until = hour_of(sweep_from) + span
    tail = until >= now
    return Slice(hour_of(sweep_from), now + AHEAD if tail else until, tail, True)


def advanced(cursor: Cursor, done: Slice, now: float, newest: float | None) -> Cursor:
    """The cursor after a slice was read to its end; `newest`: the newest row in it."""
    if newest is not None:
        newest = min(newest, now)
        newest = newest if cursor.newest is None else max(newest, cursor.newest)
    else:
        newest = cursor.newest
    if done.sweep:
        return msgspec.structs.replace(
            cursor,
            newest=newest,
            sweep_from=None if done.tail else done.until,
            swept_at=now if done.tail else cursor.swept_at,
        )
    # The newest row, not the clock, moves the tail: a clock of ours that is ahead skips nothing.
    position = done.until if not done.tail else max(min(cursor.position, now), newest or 0.0)
    return msgspec.structs.replace(
        cursor,
        newest=newest,
        position=position,
        caught_up=done.tail,
        polled_ns=int(now * 1e9) if done.tail else cursor.polled_ns,
    )

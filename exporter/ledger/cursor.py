"""How far a stream of rows has been read, and which range to read next. Pure.

Usage and transactions are followed in the same way. Rows may arrive late, so the newest part is
read again at every poll (`OVERLAP`), and everything that is not final yet is swept now and then.
After an outage the newest part comes first too; what lies before it is swept, oldest first, in
slices that are committed one by one. All instants are the gateway's, but `Cursor.polled_ns`.

A row is final once its range was read later than its settle window lasts: then it has appeared,
and changes no more. What is older than `Cursor.floor` is final; its marks are gone and it is
never counted again. Every sweep begins at the floor.
"""

from __future__ import annotations

import math

import msgspec

from exporter.gateway.readings import AHEAD, UsageShape

HOUR = 3600.0
DAY = 24 * HOUR
OVERLAP = 300.0
"""Seconds before the cursor that every poll reads again."""

TAIL = HOUR
"""Of a tail that is longer than so many seconds, the newest part is read first."""

FIRST_SPAN = 6 * HOUR
LONGEST_SPAN = 8 * DAY

REACH = 90 * DAY - 2 * HOUR
"""How far back, in seconds, is asked: a little less than the gateway answers for."""


def hour_of(instant: float) -> int:
    """The Unix second at which the hour of `instant` begins."""
    return int(instant // HOUR * HOUR)


def step_of(shape: str | None) -> float:
    """To what ranges are aligned where this shape is read, in seconds; 0 for none."""
    return {UsageShape.DAYS.value: DAY, UsageShape.LOG.value: 0.0}.get(shape or "", HOUR)


def aligned(instant: float, step: float) -> float:
    """The beginning of the hour or day of `instant`."""
    return instant // step * step if step else instant


class Cursor(msgspec.Struct, frozen=True):
    """One stream of one account. Instants are Unix seconds, but `polled_ns`.

    Nothing before `start` is counted. Everything before `position` was read at least once, or
    is being swept; `newest` is the newest row that was seen. What is older than `floor` is final.
    `polled_ns` (Unix ns) is when the last complete poll began, by our clock. The last complete
    sweep began at `swept_at`; one that began at `sweep_began` has got as far as `sweep_from`.
    Both are None between sweeps; a sweep of what an outage left began at no time. Until it is
    through, `caught_up` is false.
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
    def begin(cls, start: float, now: float, polled: float | None = None) -> Cursor:
        return cls(
            start=start,
            position=start,
            floor=hour_of(start),
            polled_ns=int((now if polled is None else polled) * 1e9),
            swept_at=now,
        )

    def sweeping(self, now: float) -> Cursor:
        """From now on everything that is not final is read again, slice by slice."""
        return msgspec.structs.replace(self, sweep_from=self.floor, sweep_began=now)

    def kept_open(self, oldest: float | None, now: float) -> Cursor:
        """Not final from `oldest` on: what is announced there may become good or fail later.

        Only as long as the gateway can be asked for it, whatever it announces.
        """
        if oldest is None:
            return self
        since = hour_of(max(oldest, now - REACH + 2 * DAY))
        return msgspec.structs.replace(self, floor=min(self.floor, since))

    def first_bucket(self, days: bool) -> int:
        """The earliest bucket of which a part may be counted."""
        return int(aligned(self.floor, DAY)) if days else max(hour_of(self.start), int(self.floor))


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

    def begun(self, cursor: Cursor, now: float, polled: float) -> Cursor:
        """The cursor when a round begins: whether something before the tail has to be read.

        `polled`: when the last complete poll began, by the clock of `now`.
        """
        position, swept_at = cursor.position, cursor.swept_at
        if position > now + AHEAD:  # the clock was ahead and has come back
            position = min(now, cursor.newest if cursor.newest is not None else now)
        if swept_at > now:  # when that sweep began is not known
            swept_at = cursor.floor + self.settle + AHEAD
        cursor = msgspec.structs.replace(cursor, position=position, swept_at=swept_at)
        due = cursor.sweep_from is None and now - swept_at >= self.sweep_every
        if due or (cursor.sweep_began or 0.0) > now + AHEAD:  # not known of that one either
            cursor = cursor.sweeping(now)
        if now - position <= TAIL:
            return cursor
        left = max(cursor.start, position - OVERLAP)
        if cursor.sweep_from is not None:
            left = min(left, cursor.sweep_from)
        # Where nothing was spent for hours, nothing was missed.
        caught_up = cursor.caught_up and now - polled <= TAIL
        return msgspec.structs.replace(cursor, sweep_from=left, caught_up=caught_up)

    def after(self, cursor: Cursor) -> Cursor:
        """What a cursor that has just moved closes."""
        return msgspec.structs.replace(cursor, floor=self._floor(cursor))

    def _floor(self, cursor: Cursor) -> float:
        """Everything below was read when it was final.

        Follows the newest row and not the clock alone: a clock that jumps ahead closes nothing.
        """
        if cursor.newest is None:
            return cursor.floor
        final = (cursor.sweep_began or cursor.swept_at) - self.settle - AHEAD
        if cursor.sweep_from is not None:
            final = min(final, cursor.sweep_from)
        rows = min(cursor.newest, cursor.position) - self.settle - AHEAD
        return max(cursor.floor, aligned(min(final, rows), step_of(cursor.shape) or HOUR))


def tail_of(
    cursor: Cursor, now: float, step: float = HOUR, ahead: float = AHEAD, overlap: float = OVERLAP
) -> Slice:
    """The newest part of the stream, up to `ahead` seconds from now; begins at a whole `step`."""
    # Movements bear whole seconds: one in the second of the start may have come after it.
    since = max(math.floor(cursor.start), cursor.position - overlap)
    if now - cursor.position > TAIL and cursor.sweep_from is not None:
        since = max(since, now - 2 * OVERLAP)  # what is left out is swept
    return Slice(aligned(min(now, since), step), now + ahead, True, False)


def next_sweep_slice(
    cursor: Cursor, now: float, span: float, step: float = HOUR, ahead: float = AHEAD
) -> Slice:
    """The next range of a sweep, of about `span` seconds, but nothing older than `REACH`."""
    step = step or HOUR
    sweep_from = now if cursor.sweep_from is None else min(cursor.sweep_from, now)
    since = aligned(max(sweep_from, now - REACH + step), step)
    until = since + max(aligned(span, step), step)
    tail = until + ahead >= now
    return Slice(since, now + ahead if tail else until, tail, True)


def advanced(
    cursor: Cursor, done: Slice, now: float, newest: float | None, polled: float | None = None
) -> Cursor:
    """The cursor after a slice was read to its end; `newest`: the newest row in it.

    `polled` (Unix s) is when the reading began by our clock, if that is another than `now`.
    """
    if newest is not None:
        newest = max(min(newest, now), cursor.newest or 0.0)
        cursor = msgspec.structs.replace(cursor, newest=newest)
    if done.sweep:
        if done.since > max(cursor.sweep_from or now, now - REACH + 2 * DAY):
            return cursor  # another sweep has begun meanwhile, which reads this again
        cursor = _swept(cursor, done)
    if not done.tail:
        return msgspec.structs.replace(cursor, position=max(cursor.position, done.until))
    # The newest row, not our clock, moves the tail: one that is ahead skips nothing. What lies
    # before a tail that was cut is being swept.
    position = max(min(cursor.position, now), newest or 0.0)
    if cursor.sweep_from is not None:
        position = max(position, done.since)
    if done.until <= now:  # the gateway's own clock: nothing new can be older
        position = max(position, done.until - OVERLAP)
    cursor = msgspec.structs.replace(cursor, position=position)
    if cursor.sweep_from is not None and not cursor.caught_up:
        return cursor
    polled_ns = int((now if polled is None else polled) * 1e9)
    return msgspec.structs.replace(cursor, caught_up=True, polled_ns=polled_ns)


def _swept(cursor: Cursor, done: Slice) -> Cursor:
    if not done.tail:
        return msgspec.structs.replace(cursor, sweep_from=done.until)
    began = cursor.swept_at if cursor.sweep_began is None else cursor.sweep_began
    return msgspec.structs.replace(cursor, sweep_from=None, sweep_began=None, swept_at=began)

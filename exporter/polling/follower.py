"""Follows the rows of an account: which slice to read next, and when to sweep.

A round reads what is new up to now, oldest first, and then, if a sweep is due, the settle window
again. It ends after about one poll interval and goes on in the next round where it stopped.
"""

from __future__ import annotations

import logging

import msgspec

from exporter.clock import InterruptibleClock
from exporter.errors import ResponseTooLargeError
from exporter.gateway.readings import UsageShape
from exporter.ledger.cursor import (
    FIRST_SPAN,
    HOUR,
    LONGEST_SPAN,
    Cursor,
    Slice,
    hour_of,
    next_slice,
    next_sweep_slice,
)
from exporter.live import EndpointStatus
from exporter.polling.reader import DoubtedError, SliceReader

FEW_ROWS = 2000
"""A slice with no more rows than this makes the next one twice as long."""

MANY_ROWS = 6000
"""A slice with more rows than this makes the next one half as long."""

FAR_BEHIND = HOUR
"""History (s) past which catching up is worth a word in the log and on the page."""

_DAY = 24 * HOUR

logger = logging.getLogger(__name__)


class DriftAlarm:
    """Asks for a sweep when drift says that usage was missed, and not again for the same drift.

    A sweep that finds nothing makes the next one wait twice as long, up to `longest` seconds.
    """

    def __init__(self, shortest: float, longest: float) -> None:
        self._shortest = shortest
        self._longest = longest
        self._wait = shortest
        self._not_before = 0.0
        self._known = 0
        self._began_with = 0

    def due(self, drift: int | None, now: float) -> bool:
        """Whether `drift` (nano-USD) is more than the last sweep could not explain."""
        return drift is not None and drift > self._known and now >= self._not_before

    def begun(self, drift: int | None) -> None:
        """A sweep begins, with this drift to explain."""
        self._began_with = max(drift or 0, 0)

    def swept(self, drift: int | None, found: bool, now: float) -> None:
        """A sweep ended and left this drift; `found`: it counted something.

        What came while it was reading it cannot have explained.
        """
        self._known = 0 if found else min(self._began_with, max(drift or 0, 0))
        self._wait = self._shortest if found else min(self._wait * 2, self._longest)
        self._not_before = now + self._wait


class Follower:
    """Follows one kind of rows of one account."""

    def __init__(
        self, reader: SliceReader, clock: InterruptibleClock, status: EndpointStatus
    ) -> None:
        """`status`: where progress is shown."""
        self._name = reader.account.name
        self._kind = reader.kind
        self._reader = reader
        self._ledger = reader.ledger
        self._worker = reader.worker
        self._clock = clock
        self._status = status
        self._span = FIRST_SPAN
        self._found = 0
        self._alarm = DriftAlarm(status.interval, self._ledger.window.sweep_every)

    async def round(self) -> bool:
        """Read what there is. Returns whether more waits to be read at once.

        Raises GatewayError and StateError; what was committed before stays.
        """
        now = self._clock.now()
        patience = self._clock.monotonic() + self._status.interval
        cursor = await self._cursor()
        self._begin(now - (cursor.polled_ns / 1e9 if cursor.caught_up else cursor.position))
        try:
            return await self._read_to_now(cursor, now, patience)
        except DoubtedError:
            return False

    async def _read_to_now(self, cursor: Cursor, now: float, patience: float) -> bool:
        while not (done := await self._read_next(cursor, now)).tail:
            if self._status.behind is not None:
                self._status.behind = now - done.until
            if self._clock.monotonic() >= patience:
                return True
            cursor = await self._cursor()
        self._arrive()
        if await self._sweep_due(now):
            await self._sweep(now, patience)
        return False

    def _begin(self, behind: float) -> None:
        """So many seconds of history are to be read. Said once, until they have been read."""
        if behind <= FAR_BEHIND:
            return
        if self._status.behind is None:
            logger.info(
                "Account %s: %s behind with %s, catching up",
                self._name,
                _in_words(behind),
                self._kind,
            )
        self._status.behind = behind

    def _arrive(self) -> None:
        if self._status.behind is not None:
            logger.info("Account %s: caught up with %s", self._name, self._kind)
        self._status.behind = None

    async def _sweep(self, now: float, patience: float) -> None:
        """Sweep until done or out of patience: the tail comes first in every round."""
        while not (await self._read_swept(now)).tail:
            if self._clock.monotonic() >= patience:
                return
        self._alarm.swept(await self._drift(), self._found > 0, now)
        self._found = 0

    async def _sweep_due(self, now: float) -> bool:
        cursor = await self._cursor()
        if cursor.sweep_from is not None:
            return True
        late = now - cursor.swept_at >= self._ledger.window.sweep_every
        drift = await self._drift()
        if not late and not self._alarm.due(drift, now):
            return False
        reason = "it is time" if late else f"drift is {(drift or 0) / 1e9:.2f} USD"
        logger.debug(
            "Account %s: reading the settle window of %s again: %s",
            self._name,
            self._kind,
            reason,
        )
        self._alarm.begun(drift)
        await self._worker.do(self._ledger.begin_sweep, self._name, self._kind, now)
        return True

    async def _drift(self) -> int | None:
        if self._kind != "usage":
            return None
        totals = await self._worker.do(self._ledger.totals_of, self._name)
        return totals.drift

    async def _cursor(self) -> Cursor:
        return await self._worker.do(self._ledger.cursor, self._name, self._kind)

    async def _read_next(self, cursor: Cursor, now: float) -> Slice:
        aligned = cursor.shape == UsageShape.ROLLUP or (
            cursor.shape is None and self._kind == "usage"
        )
        span = next_slice(cursor, now, self._span, aligned)
        return await self._read(span, span.since if span.sweep else cursor.position, now)

    async def _read_swept(self, now: float) -> Slice:
        sweep_from = (await self._cursor()).sweep_from
        begin = now if sweep_from is None else sweep_from
        return await self._read(next_sweep_slice(begin, now, self._span), begin, now)

    async def _read(self, span: Slice, position: float, now: float) -> Slice:
        """Read a slice, or a shorter one where the gateway's answer is too large.

        `position`: how far was read before, which the slice must exceed. Gives what was read.
        """
        while True:
            try:
                read = await self._reader.read(span, now)
                break
            except ResponseTooLargeError:
                self._span = max(HOUR, (span.until - span.since) / 4 // HOUR * HOUR)
                until = hour_of(max(position, span.since)) + self._span
                if until >= min(span.until, now):
                    raise
                span = msgspec.structs.replace(span, until=until, tail=False)
        logger.debug(
            "Account %s: %s from %.1f h ago to %.1f h ago: %d rows, %d counted",
            self._name,
            self._kind,
            (now - span.since) / HOUR,
            max(0.0, now - span.until) / HOUR,
            read.rows,
            read.counted,
        )
        if span.sweep:
            self._found += read.counted
        if read.rows <= FEW_ROWS and not span.tail:
            self._span = min(self._span * 2, LONGEST_SPAN)
        elif read.rows > MANY_ROWS:
            self._span = max(HOUR, self._span / 2 // HOUR * HOUR)
        return span


def _in_words(seconds: float) -> str:
    """`3 days`, `5 hours`."""
    size, unit = (_DAY, "day") if seconds >= 2 * _DAY else (HOUR, "hour")
    number = round(seconds / size)
    return f"{number} {unit}{'' if number == 1 else 's'}"

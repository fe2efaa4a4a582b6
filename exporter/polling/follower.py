"""Follows the rows of an account: the newest ones in every round, the others beside them.

A round reads the tail of the stream, which is what the poll is judged by. What was left by an
outage, and now and then all that may still change, is read by a sweep that runs beside the rounds
and shares the request budget with them, so that the newest money never waits for it.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import msgspec

from exporter.clock import InterruptibleClock
from exporter.errors import (
    GatewayError,
    GatewayTimeoutError,
    IncompleteError,
    RefusedParameterError,
    ResponseTooLargeError,
    ServerError,
    StateError,
)
from exporter.gateway.readings import AHEAD
from exporter.ledger.cursor import (
    DAY,
    HOUR,
    OVERLAP,
    REACH,
    Cursor,
    Slice,
    next_sweep_slice,
    step_of,
    tail_of,
)
from exporter.ledger.doubt import ReadAgainError
from exporter.polling.reader import Moment, SliceReader, SliceResult
from exporter.polling.sweep_plan import DriftAlarm, Span
from exporter.status import EndpointStatus
from exporter.throttle import Throttle

FAR_BEHIND = HOUR
"""History (s) past which catching up is worth a word in the log and on the page."""

FEW_AGAIN = 1000
"""Rows that every poll may read for the sake of the overlap."""

SHORT_OVERLAP = 30.0
"""Seconds before the cursor that are read again where a whole `OVERLAP` has more."""

_SHORTER_HELPS = (
    GatewayTimeoutError,
    IncompleteError,
    RefusedParameterError,
    ResponseTooLargeError,
    ServerError,
)
_PARTS_HELP = (IncompleteError, ResponseTooLargeError)

logger = logging.getLogger(__name__)


class Follower:
    """Follows one kind of rows of one account."""

    def __init__(
        self,
        reader: SliceReader,
        clock: InterruptibleClock,
        status: EndpointStatus,
        throttle: Throttle,
    ) -> None:
        """`status`: where progress is shown."""
        self._name = reader.account.name
        self._kind = reader.kind
        self._reader = reader
        self._ledger = reader.ledger
        self._worker = reader.worker
        self._clock = clock
        self._status = status
        self._throttle = throttle
        self._span = Span()
        self._tail_rows = 0
        self._overlapped_at = 0.0
        self._parts_until = 0.0
        self._alarm = DriftAlarm(status.interval, self._ledger.window.sweep_every)
        self._sweeping: asyncio.Task[None] | None = None
        self._swept = asyncio.Event()

    async def round(self) -> bool:
        """Read what is new; sweep in the rest of the interval. Whether there is more to sweep.

        Raises GatewayError and StateError; what was committed before stays.
        """
        patience = self._clock.monotonic() + self._status.interval
        self._reader.poll += 1
        cursor = await self._begin()
        with suppress(ReadAgainError):  # the next round reads it again
            await self._read_tail(cursor)
        cursor = await self._cursor()
        self._show(cursor)
        if self._sweeping is None and await self._sweep_due(cursor):
            self._alarm.begun(await self._drift())
            self._swept.clear()
            self._sweeping = asyncio.create_task(self._sweep())
        if self._sweeping is None:
            return False
        await self._clock.sleep_unless(self._swept, patience - self._clock.monotonic())
        return not await self._end_of_sweep()

    async def ask(self) -> None:
        """Learn the gateway's time. Raises GatewayError."""
        await self._reader.ask()

    async def stop(self) -> None:
        """End a sweep that is under way; what it has committed stays."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.gather(self._sweeping, return_exceptions=True)
            self._sweeping = None

    async def _end_of_sweep(self) -> bool:
        """Whether no sweep is under way any more. A mistake of ours in it is raised here."""
        if self._sweeping is None or not self._sweeping.done():
            return self._sweeping is None
        task, self._sweeping = self._sweeping, None
        task.result()
        return True

    async def _begin(self) -> Cursor:
        """The cursor, with what has to be swept, for all of which the gateway's time is needed."""
        clock = self._reader.clock
        cursor = await self._cursor()
        self._show(cursor)
        now, reached = clock.now(), cursor.position
        if cursor.caught_up and not clock.known:
            reached = max(reached, cursor.polled_ns / 1e9)
        begin = self._ledger.begin_round
        cursor = await self._worker.do(begin, self._name, self._kind, now, reached)
        if not cursor.caught_up:
            self._tell_lost(now - REACH - reached)
        self._show(cursor)
        return cursor

    def _show(self, cursor: Cursor) -> None:
        """Show how far the stream was read."""
        now = self._reader.clock.now()
        if cursor.caught_up:
            host_now = self._clock.now()
            self._status.position = now - max(0.0, host_now - cursor.polled_ns / 1e9)
            if self._status.behind is not None:
                logger.info("Account %s: caught up with %s", self._name, self._kind)
            self._status.behind = None
        elif cursor.sweep_from is not None:
            self._status.position = cursor.sweep_from
            behind = now - max(cursor.sweep_from, now - REACH)
            if behind > FAR_BEHIND and self._status.behind is None:
                words = (self._name, in_words(behind), self._kind)
                logger.info("Account %s: %s behind with %s, catching up", *words)
            self._status.behind = behind if behind > FAR_BEHIND else self._status.behind

    async def _read_tail(self, cursor: Cursor) -> None:
        """The whole overlap is read again as seldom as it lasts, where it has many rows.

        Of a rollup that is all of the bucket before the newest one: it can still change.
        """
        at = self._reader.moment()
        step = self._step(cursor)
        whole = self._tail_rows <= FEW_AGAIN or at.now - self._overlapped_at >= OVERLAP
        overlap = max(OVERLAP, step) if whole else SHORT_OVERLAP
        span = tail_of(cursor, at.now, step, self._ahead, overlap)
        try:
            read = await self._read(span, at, in_parts=at.now < self._parts_until)
        except _PARTS_HELP:
            read = await self._read_in_parts(span)
        if whole:
            self._tail_rows, self._overlapped_at = read.rows, at.now

    async def _sweep(self) -> None:
        """Sweep to the end, or until the gateway fails: then the next round goes on."""
        found, whole = 0, False
        key, of = ("sweep", self._name, self._kind), (self._name, self._kind)
        try:
            while True:
                cursor = await self._cursor()
                if cursor.sweep_from is None:
                    break
                whole = cursor.sweep_began is not None
                read = await self._read_swept(cursor)
                found += read.counted
                self._show(await self._cursor())
        except ReadAgainError:
            pass  # the next round reads it again
        except (GatewayError, StateError) as error:
            text = "Account %s: older %s cannot be read, which is tried again: %s"
            self._throttle.say(key, text, *of, error)
        else:
            self._throttle.over(key, "Account %s: older %s was read", *of)
            if whole:
                self._alarm.swept(await self._drift(), found > 0, self._reader.clock.now())
        finally:
            self._swept.set()

    async def _read_swept(self, cursor: Cursor) -> SliceResult:
        """Read the next slice of a sweep, or a shorter one where the gateway cannot answer."""
        step = self._step(cursor)
        while True:
            at = self._reader.moment()
            span = next_sweep_slice(cursor, at.now, self._span.seconds, step, self._ahead)
            length = span.until - span.since
            try:
                read = await self._read(span, at)
                break
            except _SHORTER_HELPS as error:
                if length > max(HOUR, step) and self._span.seconds > HOUR:
                    self._span.failed(min(length, self._span.seconds))
                    continue
                if not isinstance(error, _PARTS_HELP):
                    raise
                read = await self._read_in_parts(span)
                break
        self._span.worked(read.rows)
        return read

    async def _read_in_parts(self, span: Slice) -> SliceResult:
        """Read what cannot be cut any shorter, and for a while all that follows, in parts."""
        at = self._reader.moment()
        if span.tail:
            span = msgspec.structs.replace(span, until=at.now + self._ahead)
        self._parts_until = at.now + HOUR
        return await self._read(span, at, in_parts=True)

    async def _read(self, span: Slice, at: Moment, in_parts: bool = False) -> SliceResult:
        read = await self._reader.read(span, at, in_parts)
        logger.debug(
            "Account %s: %s from %.1f h ago to %.1f h ago: %d rows, %d counted",
            self._name,
            self._kind,
            (at.now - span.since) / HOUR,
            max(0.0, at.now - span.until) / HOUR,
            read.rows,
            read.counted,
        )
        return read

    async def _sweep_due(self, cursor: Cursor) -> bool:
        if cursor.sweep_from is not None:
            return True
        now = self._reader.clock.now()
        drift = await self._drift()
        if not self._alarm.due(drift, now):
            return False
        logger.debug("Account %s: all %s is read again: it drifts", self._name, self._kind)
        await self._worker.do(self._ledger.begin_sweep, self._name, self._kind, now)
        return True

    async def _drift(self) -> int | None:
        if self._kind != "usage":
            return None
        totals = await self._worker.do(self._ledger.totals_of, self._name)
        return totals.drift

    async def _cursor(self) -> Cursor:
        return await self._worker.do(self._ledger.cursor, self._name, self._kind)

    def _step(self, cursor: Cursor) -> float:
        return step_of(cursor.shape) if self._kind == "usage" else 0.0

    @property
    def _ahead(self) -> float:
        """By the gateway's clock nothing lies ahead, and some refuse to be asked for it."""
        return 0.0 if self._reader.clock.known else AHEAD

    def _tell_lost(self, lost: float) -> None:
        """Say once how much of the history the gateway does not answer for any more."""
        if lost > 0:
            self._throttle.once(
                ("lost", self._name),
                "Account %s: what happened before the last 90 days cannot be read any more; "
                "%s of usage and transactions are not counted",
                self._name,
                in_words(lost),
            )


def in_words(seconds: float) -> str:
    """`3 days`, `5 hours`."""
    size, unit = (DAY, "day") if seconds >= 2 * DAY else (HOUR, "hour")
    number = max(1, round(seconds / size))
    return f"{number} {unit}{'' if number == 1 else 's'}"

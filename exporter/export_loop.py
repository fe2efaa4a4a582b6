"""When to export: takes a snapshot at every interval and hands it to OTLP."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from exporter.clock import Clock
from exporter.errors import StateError
from exporter.ledger.ledger import Ledger
from exporter.ledger.totals import AccountTotals
from exporter.live import Live
from exporter.metrics.snapshot import Point, Snapshot, take
from exporter.otlp import ExportResult, OtlpExporter
from exporter.otlp.receiver import partial
from exporter.status import ExportOutcome
from exporter.threads import Worker
from exporter.throttle import Throttle

HEAD_START = 1.0
"""Seconds between zero points and values: what forwards them in several queues may be so late."""

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class ExportLoop:
    """Exports every `interval` seconds. Polls never wait for it."""

    _exporter: OtlpExporter
    _live: Live
    _ledger: Ledger
    _worker: Worker
    _clock: Clock
    _throttle: Throttle
    _interval: float
    _exporting: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _under_way: asyncio.Task[ExportResult] | None = field(default=None, init=False)
    _retired: bool = field(default=False, init=False)

    async def run(self) -> None:
        """Export for ever, first at once. Ends only by being cancelled."""
        due = self._clock.monotonic()
        while True:
            # An export that was begun is not abandoned in its middle: `last` waits for it.
            self._under_way = asyncio.create_task(self.export())
            await asyncio.shield(self._under_way)
            now = self._clock.monotonic()
            due = max(due + self._interval, now)
            await self._clock.sleep(due - now)

    async def export(self) -> ExportResult:
        """Send one snapshot and record what became of it."""
        async with self._exporting:
            snapshot = take(self._live, await self._totals(), self._clock.now())
            began = self._clock.monotonic()
            result = await self._send(snapshot)
        logger.debug(
            "%d points exported in %.2f s: %s",
            len(snapshot.points) + len(snapshot.zero_points),
            self._clock.monotonic() - began,
            result.outcome,
        )
        self._live.exports.ended(self._clock.now(), result.outcome, result.error)
        if result.error is None:
            self._throttle.over("export", "OTLP exports are accepted again")
        else:
            self._throttle.say("export", "OTLP export failed: %s", result.error)
        return result

    async def last(self, patience: float) -> None:
        """One more export before the process ends, given up after `patience` seconds."""
        try:
            async with asyncio.timeout(patience):
                await self.export()
        except TimeoutError:
            logger.warning(
                "The last OTLP export was given up: it took longer than %g s. The next start "
                "sends all that was counted",
                patience,
            )
        finally:
            await self._close()

    async def retire(self) -> None:
        """Close once the export under way has ended, or at once where this is cancelled."""
        self._retired = True
        try:
            async with self._exporting:
                pass
        finally:
            await self._close()

    async def _close(self) -> None:
        """Close; an export that is still under way is given up."""
        if self._under_way is not None:
            self._under_way.cancel()
            await asyncio.wait({self._under_way})
        await self._exporter.close()

    async def _send(self, snapshot: Snapshot) -> ExportResult:
        """Send all; the values of series that no receiver knows follow their zero points.

        A receiver that turns totals into growth takes a zero point that comes again, after a
        value, for a reset, and counts the whole series twice. An answer can get lost, and the
        process can end, at any moment. So no value is sent before it is durable that its zero
        point arrived.
        """
        fresh = {(zero.metric.name, zero.attributes) for zero in snapshot.zero_points}
        if not fresh:
            return await self._exporter.export(snapshot)
        values: list[Point] = []
        known: list[Point] = []
        for point in snapshot.points:
            (values if (point.metric.name, point.attributes) in fresh else known).append(point)
        first = await self._exporter.export(msgspec.structs.replace(snapshot, points=tuple(known)))
        # A receiver that refuses a zero point would refuse it for ever, and all else with it.
        arrived = first.outcome is ExportOutcome.SUCCESS or first.data_refused
        if not arrived or not await self._note_zero_points(snapshot):
            return first
        await self._clock.sleep(min(HEAD_START, self._interval))
        if self._retired:  # who has taken over may have sent newer values by now
            return first
        second = await self._exporter.export(Snapshot(snapshot.time_ns, tuple(values)))
        return second if first.error is None or second.error is not None else partial(first.error)

    async def _note_zero_points(self, snapshot: Snapshot) -> bool:
        """Make it durable that they went; False where that failed: they go again then."""
        try:
            sent = snapshot.fresh_usage, snapshot.fresh_billing, snapshot.fresh_caches
            await self._worker.do(self._ledger.zero_points_sent, *sent)
        except StateError as error:
            self._throttle.say("state", "%s", error, level=logging.ERROR)
            return False
        return True

    async def _totals(self) -> Mapping[str, AccountTotals]:
        """What was counted; nothing where it cannot be read, so that the balance is still sent."""
        try:
            totals = await self._worker.do(self._ledger.totals)
        except StateError as error:
            self._throttle.say(
                "totals", "Exporting without what was counted: %s", error, level=logging.ERROR
            )
            return {}
        self._throttle.over("totals", "What was counted is exported again")
        return totals

"""When to export: takes a snapshot at every interval and hands it to OTLP."""

from __future__ import annotations

import asyncio
import logging

from exporter import threads
from exporter.board import Board, ExportOutcome
from exporter.clock import Clock
from exporter.errors import StateError
from exporter.ledger.ledger import Ledger
from exporter.ledger.worker import Worker
from exporter.otlp import ExportResult, OtlpExporter
from exporter.repeats import Repeats
from exporter.snapshot import Snapshot, take


class ExportLoop:
    """Exports at a steady rate. Polls never wait for it."""

    def __init__(
        self,
        exporter: OtlpExporter,
        board: Board,
        ledger: Ledger,
        worker: Worker,
        clock: Clock,
        repeats: Repeats,
        interval: float,
    ) -> None:
        """`interval` in seconds."""
        self._exporter = exporter
        self._board = board
        self._ledger = ledger
        self._worker = worker
        self._clock = clock
        self._repeats = repeats
        self._interval = interval
        self._exporting = asyncio.Lock()

    async def run(self) -> None:
        """Export for ever, first at once. Ends only by being cancelled."""
        due = self._clock.monotonic()
        while True:
            # An export that was begun is not abandoned in its middle: `last` waits for it.
            await asyncio.shield(self.export())
            now = self._clock.monotonic()
            due = max(due + self._interval, now)
            await self._clock.sleep(due - now)

    async def export(self) -> ExportResult:
        """Send one snapshot and record what became of it."""
        async with self._exporting:
            snapshot = await self._snapshot()
            result = await threads.call(lambda: self._exporter.export(snapshot))
        self._board.exports.ended(self._clock.now(), result.outcome, result.error)
        if result.error is None:
            self._repeats.over("export", "OTLP exports are accepted again")
        else:
            self._repeats.say("export", "OTLP export failed: %s", result.error)
        # A receiver that refuses a zero point would refuse it for ever, and all else with it.
        if result.outcome is ExportOutcome.SUCCESS or result.data_refused:
            await self._forget_zero_points(snapshot)
        return result

    async def last(self, patience: float) -> None:
        """One more export before the process ends, given up after `patience` seconds."""
        try:
            async with asyncio.timeout(patience):
                await self.export()
        except TimeoutError:
            self._repeats.say("export", "The last OTLP export was given up: no answer in %g s", patience)
        finally:
            self._exporter.close()

    async def _snapshot(self) -> Snapshot:
        totals = await self._worker.do(self._ledger.totals)
        return take(self._board, totals, self._clock.now())

    async def _forget_zero_points(self, snapshot: Snapshot) -> None:
        if not snapshot.fresh_usage and not snapshot.fresh_billing:
            return
        try:
            await self._worker.do(
                self._ledger.zero_points_sent, snapshot.fresh_usage, snapshot.fresh_billing
            )
        except StateError as error:  # they are sent once more, which does no harm
            self._repeats.say("state", "%s", error, level=logging.ERROR)

"""The long-running service: polls, exports and serves until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Mapping

from exporter import __version__
from exporter.board import Board
from exporter.clock import Clock, SystemClock
from exporter.config import Config
from exporter.errors import ConfigError, ExporterError, StateError
from exporter.fleet import Fleet, Surroundings
from exporter.ledger.store import Store
from exporter.ledger.totals import AccountTotals
from exporter.ledger.worker import ThreadWorker
from exporter.otlp import ExportResult
from exporter.poller import PollError
from exporter.repeats import Repeats
from exporter.web.app import App
from exporter.web.server import WebServer
from exporter.web.view import View

LAST_EXPORT = 4.0
CLOSE_STATE = 2.0
"""Seconds that ending may take for each; with the rest it stays under ten."""

logger = logging.getLogger(__name__)


class Daemon:
    """One process's work. Make it inside a running event loop."""

    def __init__(
        self,
        config: Config,
        environ: Mapping[str, str],
        reload: Callable[[], Config] | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`reload` reads the configuration again (SIGHUP); it raises ConfigError."""
        self._config = config
        self._environ = environ
        self._reload = reload
        self._clock = clock or SystemClock()
        self._stop = asyncio.Event()
        self._reloading = asyncio.Event()
        self._worker = ThreadWorker()
        self._web: WebServer | None = None
        self._fleet: Fleet
        self._around: Surroundings

    @property
    def address(self) -> str | None:
        """`host:port` of the status page, None where it is off."""
        return self._web.address if self._web is not None else None

    def stop(self) -> None:
        """Stop polling, commit, export once more, end."""
        self._stop.set()

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Work until `stop`. `ready` is called once all is started. Raises ExporterError."""
        await self.open()
        try:
            await self._serve()
            self._fleet.start()
            logger.info("Polling %d account(s); %s", len(self._config.accounts), self._where())
            ready()
            await self._work()
        finally:
            await self.close()

    async def once(self) -> bool:
        """One round of polls and one export. Returns whether all of it worked."""
        await self.open()
        try:
            errors: list[PollError | None] = []
            for poller in self._fleet.pollers:
                errors += (await poller.poll_once()).values()
            result: ExportResult | None = None
            if self._fleet.exports is not None:
                result = await self._fleet.exports.export()
        finally:
            await self._fleet.stop()
            await self._close_state()
        return not any(errors) and (result is None or result.error is None)

    async def open(self) -> None:
        """Open the state and make all parts. Raises StateError."""
        store = await self._worker.do(Store, self._config.state_path)
        if store.recovered_from is not None:
            logger.error(
                "The state file could not be read and was moved to %s. Counting starts anew from "
                "now, under a new service.instance.id; nothing is counted twice",
                store.recovered_from,
            )
        self._around = Surroundings(
            Board(self._clock.now()),
            store,
            self._worker,
            self._clock,
            Repeats(logging.getLogger("exporter"), self._clock),
            self._environ,
        )
        self._fleet = Fleet(self._config, self._around)
        await self._fleet.open()

    async def close(self) -> None:
        """End everything, in less than ten seconds whatever hangs."""
        await self._fleet.stop()
        if self._fleet.exports is not None:
            await self._fleet.exports.last(LAST_EXPORT)
        if self._web is not None:
            await self._web.stop()
        await self._close_state()
        logger.info("Stopped")

    async def _close_state(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_STATE):
                await self._worker.do(self._around.store.close)
        except TimeoutError:
            logger.error("The state file did not answer; what was committed is safe")
        self._worker.close()

    def install_signals(self) -> None:
        """SIGTERM and SIGINT stop, SIGHUP reloads."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._reloading.set)

    async def _work(self) -> None:
        stop = asyncio.create_task(self._stop.wait())
        while not self._stop.is_set():
            reload = asyncio.create_task(self._reloading.wait())
            await asyncio.wait({stop, reload}, return_when=asyncio.FIRST_COMPLETED)
            reload.cancel()
            if self._reloading.is_set():
                self._reloading.clear()
                await self._apply_new()
        stop.cancel()

    async def _apply_new(self) -> None:
        """Change over to the configuration as it is now; an unusable one changes nothing."""
        if self._reload is None:
            return
        try:
            config = self._reload()
        except ConfigError as error:
            logger.error("The configuration was not reloaded and the old one stays in force:")
            for problem in error.problems:
                logger.error("  %s", problem)
            return
        if config.state_path != self._config.state_path:
            logger.warning("state.path: a new state file is only opened by a restart")
        before, self._config = self._config, config
        await self._fleet.stop()
        if self._fleet.exports is not None:
            await self._fleet.exports.last(LAST_EXPORT)
        self._fleet = Fleet(config, self._around)
        await self._fleet.open()
        if config.http_listen != before.http_listen:
            await self._move_web()
        self._fleet.start()
        logger.info("Configuration reloaded; %s", self._where())

    async def _move_web(self) -> None:
        if self._web is not None:
            await self._web.stop()
        try:
            await self._serve()
        except ExporterError as error:
            logger.error("%s", error)

    async def _serve(self) -> None:
        self._web = None
        if self._config.http_listen is None:
            return
        web = WebServer(self._config.http_listen, App(self._view, self._totals, self._clock))
        await web.start()
        self._web = web

    def _view(self) -> View:
        return View(self._around.board, self._config, self._around.store.instance_id)

    async def _totals(self) -> Mapping[str, AccountTotals]:
        return await self._worker.do(self._fleet.ledger.totals)

    def _where(self) -> str:
        page = f"status page at http://{self.address}/" if self.address else "no status page"
        otlp = f"OTLP to {self._config.otlp.endpoint}" if self._config.otlp.endpoint else "no OTLP"
        return f"version {__version__}, {page}, {otlp}"



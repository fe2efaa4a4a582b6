"""The long-running service: polls, exports and serves until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any, TypeVar

from exporter import __version__, threads
from exporter.clock import InterruptibleClock, SystemClock
from exporter.config.load import describe
from exporter.config.types import Config, Listen
from exporter.errors import ConfigError, StateError
from exporter.ledger.store import Store
from exporter.ledger.totals import AccountTotals
from exporter.listeners import Listeners, Listening
from exporter.live import Live
from exporter.runtime import Runtime
from exporter.tap.intake import Intake
from exporter.throttle import Throttle
from exporter.web.app import App
from exporter.web.server import WebServer
from exporter.web.view import View

LAST_EXPORT = 4.0
CLOSE_STATE = 2.0
CANCEL = 0.5
"""Seconds that ending may take for each; with the rest it stays under ten."""

SLOW_STATE = 5.0
"""Seconds after which the log says what the start waits for."""

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Daemon:
    """One process's work. Make it inside a running event loop."""

    def __init__(
        self,
        config: Config,
        environ: Mapping[str, str],
        reload: Callable[[], Config] | None = None,
        clock: InterruptibleClock | None = None,
    ) -> None:
        """`reload` reads the configuration again (SIGHUP); it raises ConfigError."""
        self._config = config
        self._environ = environ
        self._reload = reload
        self._clock = clock or SystemClock()
        self._stop = asyncio.Event()
        self._reloading = asyncio.Event()
        self._worker = threads.Worker(threads.PATIENCE)
        self._app = App(self._view, self._totals, self._clock)
        self._retiring: set[asyncio.Task[None]] = set()
        self._throttle = Throttle(logging.getLogger("exporter"), self._clock)
        self._live = Live(self._clock.now())
        self._intake = Intake(self._live, config.tap.account, self._clock, self._throttle)
        self._listeners = Listeners(
            {
                "http.listen": lambda listen: WebServer(listen, self._app),
                "tap.listen": self._tap_listener,
            }
        )
        self._last_export = False
        self._store: Store
        self._runtime: Runtime

    @property
    def address(self) -> str | None:
        """`host:port` of the status page, None where it is off."""
        return self._listeners.address("http.listen")

    @property
    def tap(self) -> str | None:
        """`host:port` that takes reports (UDP), None where it is off."""
        return self._listeners.address("tap.listen")

    def stop(self) -> None:
        """Stop polling, commit, export once more, end."""
        self._stop.set()

    def reload(self) -> None:
        self._reloading.set()

    def install_signals(self) -> None:
        """SIGTERM and SIGINT stop, SIGHUP reloads."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self.reload)

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Work until `stop`. `ready` is called once all is started. Raises ExporterError."""
        _announce(self._config)
        async with AsyncExitStack() as ends:
            if await self._unless_stopped(self._open(ends)) is None:
                return
            await self._listeners.open(self._config)
            self._last_export = True
            self._runtime.start()
            logger.info("Polling %d account(s); %s", len(self._config.accounts), self._where())
            ready()
            await self._work()
            logger.info("Stopping")

    async def once(self) -> bool:
        """One round of polls and one export. Returns whether all that was begun worked."""
        _announce(self._config)
        async with AsyncExitStack() as ends:
            if await self._unless_stopped(self._open(ends)) is None:
                return True
            worked = await self._unless_stopped(self._round())
            self._last_export = worked is None
        return worked is not False

    async def _round(self) -> bool:
        errors = await self._runtime.poll_once()
        if self._runtime.exports is None:
            return not errors
        result = await self._runtime.exports.export()
        return not errors and result.error is None

    async def _open(self, ends: AsyncExitStack) -> bool:
        """Open the state and make all parts. Raises StateError, ConfigError.

        What is pushed on `ends` closes them, in less than ten seconds whatever hangs.
        """
        store = self._store = await self._open_state()
        ends.push_async_callback(self._close_state)
        if store.recovered_from is not None:
            logger.error(
                "The state file could not be read and was moved to %s. Counting starts anew from "
                "now, under a new service.instance.id; nothing is counted twice",
                store.recovered_from,
            )
        elif store.begins_now:
            logger.info("The state file has a new identity: counting starts from now")
        elif store.created:
            logger.info("No state before: counting starts in the new file %s", store.path)
        self._runtime = self._runtime_of(self._config)
        await self._runtime.open()
        ends.push_async_callback(self._close_parts)
        self._runtime.take_over()
        return True

    async def _close_parts(self) -> None:
        if not self._last_export:
            self._retire(self._runtime)
        await asyncio.gather(self._listeners.close(), self._say_last(), self._end_retiring())

    async def _close_state(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_STATE):
                await self._worker.do(self._store.close)
        except TimeoutError:
            logger.error("The state file did not answer; what was committed is safe")
            self._worker.calls.put(self._store.close)  # should it answer after all
        self._worker.close()
        logger.info("Stopped")

    async def _say_last(self) -> None:
        if self._last_export:
            await self._runtime.stop()
            if self._runtime.exports is not None:
                await self._runtime.exports.last(LAST_EXPORT)

    def _retire(self, runtime: Runtime) -> None:
        """End it in a task of its own: an export under way may take its time."""
        retiring = asyncio.create_task(runtime.retire())
        self._retiring.add(retiring)
        retiring.add_done_callback(self._retiring.discard)

    async def _end_retiring(self) -> None:
        """Wait for exports of what was retired, and give up those that take too long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_EXPORT):
                await asyncio.gather(*self._retiring, return_exceptions=True)

    def _runtime_of(self, config: Config) -> Runtime:
        return Runtime(
            config,
            self._live,
            self._store,
            self._worker,
            self._clock,
            self._throttle,
            self._environ,
        )

    async def _open_state(self) -> Store:
        """The state file, with a word in the log where opening it takes its time."""
        path = self._config.state.path
        slow = asyncio.get_running_loop().call_later(
            SLOW_STATE, logger.warning, "Still opening %s: it is large, or the disk is slow", path
        )
        try:
            return await threads.call(lambda: Store(path))
        finally:
            slow.cancel()

    async def _work(self) -> None:
        while not self._stop.is_set():
            await self._unless_stopped(self._reloading.wait())
            if self._reloading.is_set():
                self._reloading.clear()
                await self._unless_stopped(self._apply_new())

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What `work` gives. None where `stop` comes first: the work is given up then."""
        working = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({working, stop}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            working.cancel()
            await asyncio.wait({working}, timeout=CANCEL)
            return None
        finally:
            stop.cancel()

    async def _apply_new(self) -> None:
        """Change over to the configuration as it is now; an unusable one changes nothing."""
        if self._reload is None:
            return
        try:
            config = self._reload()
            runtime = self._runtime_of(config)
            await runtime.open()
        except ConfigError as error:
            logger.error("The configuration was not reloaded and the old one stays in force:")
            for problem in error.problems:
                logger.error("  %s", problem)
            return
        except StateError as error:
            logger.error("The configuration was not reloaded; send SIGHUP again: %s", error)
            return
        await self._change_to(config, runtime)
        _announce(config)
        logger.info("Configuration reloaded; %s", self._where())

    async def _change_to(self, config: Config, runtime: Runtime) -> None:
        if config.state.path != self._store.path:
            logger.warning("state.path: another state file is opened by a restart only")
        self._config = config
        old, self._runtime = self._runtime, runtime
        self._retire(old)
        await old.idle.wait()  # a stop may end this here
        runtime.take_over()
        runtime.start()
        self._intake.account = config.tap.account
        await self._listeners.change(config)

    def _tap_listener(self, listen: Listen) -> Listening:
        from exporter.tap.listener import Listener  # noqa: PLC0415 (most exporters have no tap)

        return Listener(listen, self._intake.take, self._live.tap, self._clock)

    def _view(self) -> View:
        return View(self._live, self._config, self._store.instance_id)

    async def _totals(self) -> Mapping[str, AccountTotals]:
        return await self._worker.do(self._runtime.ledger.totals)

    def _where(self) -> str:
        page = f"status page at http://{self.address}/" if self.address else "no status page"
        tap = f", tap at {self.tap} (UDP)" if self.tap else ""
        otlp = f"OTLP to {self._config.otlp.endpoint}" if self._config.otlp.endpoint else "no OTLP"
        return f"version {__version__}, {page}{tap}, {otlp}"


def _announce(config: Config) -> None:
    """What is probably not meant, and for debugging every setting in force."""
    for warning in config.warnings:
        logger.warning("%s", warning)
    for line in describe(config).splitlines():
        logger.debug("%s", line)

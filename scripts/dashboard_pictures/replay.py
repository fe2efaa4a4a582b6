"""Hours of simulated gateways, watched by real exporters, in seconds.

Pollers, ledger, snapshot and OTLP are those of the daemon, in this process; gateways are
simulated, behind a real socket. Only the clock is not real: it jumps from one poll to the next.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import httpx

from bytespike_simulator.app import Simulator
from bytespike_simulator.options import Options
from bytespike_simulator.server import running
from exporter.config.types import (
    Account,
    Config,
    Gateway,
    Http,
    Otlp,
    Poll,
    State,
    Usage,
    UsageStart,
)
from exporter.ledger.store import Store
from exporter.live import Live
from exporter.metrics.prometheus import render
from exporter.metrics.snapshot import take
from exporter.runtime import Runtime
from exporter.threads import PATIENCE, Worker
from exporter.throttle import Throttle
from scripts.dashboard_pictures.calls import Calls

MINUTE, HOUR = 60.0, 3600.0


class JumpingClock:
    """A clock that stands still until it is told to jump; durations are real."""

    def __init__(self, now: float) -> None:
        self._now = now
        self._skipped = 0.0

    def now(self) -> float:
        """Unix seconds."""
        return self._now

    def monotonic(self) -> float:
        """Seconds from an arbitrary start."""
        return time.monotonic() + self._skipped

    async def sleep(self, seconds: float) -> None:
        """Jump."""
        self.jump(seconds)
        await asyncio.sleep(0)

    async def sleep_unless(self, event: asyncio.Event, seconds: float) -> None:
        """Jump, unless `event` is set."""
        await self.sleep(0.0 if event.is_set() else seconds)

    def jump(self, seconds: float) -> None:
        """Let so many seconds have passed."""
        self._now += seconds
        self._skipped += seconds


class Wallet(NamedTuple):
    """One account with a gateway of its own."""

    name: str
    options: Options


class Receivers(NamedTuple):
    """Where an exporter's numbers go: base URLs of two VictoriaMetrics, either may be ""."""

    otlp: str = ""
    scraped: str = ""


class Surroundings(NamedTuple):
    """What an exporter shares with its runtime."""

    live: Live
    store: Store
    worker: Worker
    clock: JumpingClock
    throttle: Throttle
    environ: dict[str, str]


class Exporter:
    """One exporter with a state file of its own."""

    def __init__(self, name: str, runtime: Runtime, around: Surroundings, scraped: str) -> None:
        self.name = name
        self._fleet = runtime
        self._around = around
        self._scraped = scraped

    async def begin(self) -> None:
        """Make the accounts known."""
        await self._fleet.open()
        self._fleet.take_over()

    async def round(self, http: httpx.AsyncClient) -> None:
        """Poll everything once, and let the numbers go out."""
        await self._fleet.poll_once()
        if self._fleet.exports is not None:
            await self._fleet.exports.export()
        if self._scraped:
            await self._be_scraped(http)

    async def _be_scraped(self, http: httpx.AsyncClient) -> None:
        """As a scraper would store it: `/metrics` at this instant, with its own labels."""
        totals = await self._around.worker.do(self._fleet.ledger.totals)
        now = self._around.clock.now()
        body = render(take(self._around.live, totals, now), openmetrics=False)
        added = "&".join(
            f"extra_label={quote(label, safe='=')}"
            for label in ("job=bytespike-exporter", f"instance={self.name}:9464")
        )
        url = f"{self._scraped}/api/v1/import/prometheus?timestamp={round(now * 1000)}&{added}"
        (await http.post(url, content=body)).raise_for_status()

    def tap(self, account: str) -> Calls:
        """Give the exporter a tap; keys of no account belong to `account`."""
        around = self._around
        return Calls(around.live, account, around.clock, around.throttle)

    async def end(self) -> None:
        """Close the state file and the connections."""
        await self._fleet.stop()
        await self._around.worker.do(self._around.store.close)


class Replay:
    """Gateways and exporters on one clock. Make it with `replay`."""

    def __init__(
        self, clock: JumpingClock, gateways: dict[str, Simulator], exporters: Sequence[Exporter]
    ) -> None:
        self.clock = clock
        self.gateways = gateways
        self.exporters = {exporter.name: exporter for exporter in exporters}

    async def run(
        self, until: float, step: float, each: Callable[[float], None] = lambda now: None
    ) -> None:
        """Poll every `step` seconds, last at `until` (Unix s). `each` may do things before a poll.

        Attempts that fail take time, as they do; the next poll comes when it is due all the same.
        """
        due = self.clock.now()
        async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
            while due <= until:
                self.clock.jump(max(0.0, due - self.clock.now()))
                for gateway in self.gateways.values():
                    gateway.world.advance(self.clock.now())
                each(due)
                for exporter in self.exporters.values():
                    await exporter.round(http)
                due += step


@asynccontextmanager
async def replay(
    folder: Path,
    began: float,
    wallets: Sequence[Wallet],
    watchers: Sequence[tuple[str, Sequence[str]]],
    receivers: Receivers,
) -> AsyncIterator[Replay]:
    """Start at `began` (Unix s). `watchers`: each exporter's name and the accounts it polls."""
    clock = JumpingClock(began)
    async with AsyncExitStack() as stack:
        gateways = {w.name: Simulator(w.options, clock=clock) for w in wallets}
        urls = {
            name: await stack.enter_async_context(running(gateway))
            for name, gateway in gateways.items()
        }
        exporters = []
        for name, accounts in watchers:
            config = _config(folder / f"{name}.db", {a: urls[a] for a in accounts}, receivers.otlp)
            keys = {_variable(account): gateways[account].api_key for account in accounts}
            around = _surroundings(config, clock, keys)
            exporter = Exporter(name, Runtime(config, *around), around, receivers.scraped)
            await exporter.begin()
            stack.push_async_callback(exporter.end)
            exporters.append(exporter)
        yield Replay(clock, gateways, exporters)


def _config(state: Path, gateways: dict[str, str], otlp: str) -> Config:
    endpoint = f"{otlp}/opentelemetry/v1/metrics" if otlp else ""
    return Config(
        accounts=tuple(
            Account(name, url, api_key_env=_variable(name)) for name, url in gateways.items()
        ),
        gateway=Gateway(max_requests_per_minute=6000),
        poll=Poll(account=MINUTE, usage=MINUTE, transactions=MINUTE),
        usage=Usage(start=UsageStart(back=0.0)),
        otlp=Otlp(endpoint=endpoint),
        state=State(path=state),
        http=Http(listen=None),
    )


def _variable(account: str) -> str:
    return f"KEY_{account}"


def _surroundings(config: Config, clock: JumpingClock, keys: dict[str, str]) -> Surroundings:
    throttle = Throttle(logging.getLogger("exporter.replay"), clock)
    return Surroundings(
        live=Live(clock.now()),
        store=Store(config.state.path),
        worker=Worker(PATIENCE),
        clock=clock,
        throttle=throttle,
        environ=keys,
    )

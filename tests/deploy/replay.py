"""Hours of simulated gateways, watched by real exporters, in seconds.

Pollers, ledger, snapshot and OTLP are those of the daemon, in this process; gateways are
simulated, behind a real socket. Only the clock is not real: it skips from one poll to the next.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from bytespike_simulator.app import Simulator
from bytespike_simulator.options import Options
from bytespike_simulator.server import running
from exporter.config.load import parse
from exporter.gateway.readings import Envelope, Observation, Source
from exporter.ledger.store import Store
from exporter.live import Live
from exporter.metrics.prometheus import render
from exporter.metrics.snapshot import take
from exporter.runtime import Runtime
from exporter.secrets import Secret
from exporter.tap.intake import Intake
from exporter.threads import PATIENCE, Worker
from exporter.throttle import Throttle
from tests.clock import VirtualClock

MINUTE, HOUR = 60.0, 3600.0
ANSWER = 1.3
"""Seconds that a gateway takes to answer."""

_MODELS = ("gpt-5-4", "claude-sonnet-5")


class Receivers(NamedTuple):
    """Where an exporter's numbers go: base URLs of two VictoriaMetrics, the second may be ""."""

    otlp: str
    scraped: str = ""


class Exporter:
    """One exporter with a state file of its own, and a tap for `account`."""

    def __init__(
        self,
        runtime: Runtime,
        live: Live,
        store: Store,
        worker: Worker,
        clock: VirtualClock,
        throttle: Throttle,
        account: str,
    ) -> None:
        self._runtime = runtime
        self._live = live
        self._store = store
        self._worker = worker
        self._clock = clock
        self._intake = Intake(live, account, clock, throttle)
        self._calls = 0
        self.tap = live.tap
        self.tap.observing = self.tap.hooked = True

    async def poll_and_export(self) -> None:
        """Poll everything once, and send what is known by OTLP."""
        await self._runtime.poll_once()
        assert self._runtime.exports is not None
        await self._runtime.exports.export()

    async def metrics(self) -> bytes:
        totals = await self._worker.do(self._runtime.ledger.totals)
        snapshot = take(self._live, totals, self._clock.now())
        return render(snapshot, openmetrics=False)

    def calls(self, key: str, number: int, source: Source, *, refused: int = 429) -> None:
        """The tap sees so many calls with a key; every 25th is refused with that status."""
        observed_at = self._clock.now() - 5.0
        envelope = Envelope(observed_at=observed_at, key_id=Secret(key).masked())
        for _ in range(number):
            self._calls += 1
            fine = self._calls % 25 != 0
            model = _MODELS[self._calls % len(_MODELS)] if fine else None
            self._intake.take(Observation(source, 200 if fine else refused, envelope, model))

    async def close(self) -> None:
        await self._runtime.stop()
        assert self._runtime.exports is not None
        await self._runtime.exports.retire()
        await self._worker.do(self._store.close)
        self._worker.close()


class Replay:
    """Gateways and exporters, by name, on one clock. Make it with `replay`."""

    def __init__(self, clock: VirtualClock, scraped: str) -> None:
        self.clock = clock
        self.ends = clock.now()
        self.gateways: dict[str, Simulator] = {}
        self.exporters: dict[str, Exporter] = {}
        self._scraped = scraped

    async def run(
        self, until: float, step: float, each: Callable[[float], None] = lambda now: None
    ) -> None:
        """Poll every `step` seconds, last at `until` (Unix s). `each` may do things before a poll.

        Attempts that fail take time, as they do; the next poll comes when it is due all the same.
        """
        due, self.ends = self.clock.now(), until
        async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
            while due <= until:
                self.clock.time += max(0.0, due - self.clock.now())
                for gateway in self.gateways.values():
                    gateway.world.advance(self.clock.now())
                each(due)
                for name, exporter in self.exporters.items():
                    await exporter.poll_and_export()
                    if self._scraped:
                        await self._scrape(name, await exporter.metrics(), http)
                due += step

    def serving(self, gateway: Simulator) -> ASGIApp:
        """The gateway as the exporters find it: an answer takes time, but for the last of them.

        So what is spent while they are asked is not counted only where the next poll does.
        """

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            if self.clock.now() < self.ends:
                self.clock.time += ANSWER
            await gateway(scope, receive, send)

        return answer

    async def _scrape(self, exporter: str, metrics: bytes, http: httpx.AsyncClient) -> None:
        """Store `/metrics` as a scraper would at this instant, with its own labels."""
        own = ("job=bytespike-exporter", f"instance={exporter}:9464")
        added = "&".join(f"extra_label={quote(label, safe='=')}" for label in own)
        instant = round(self.clock.now() * 1000)
        url = f"{self._scraped}/api/v1/import/prometheus?timestamp={instant}&{added}"
        (await http.post(url, content=metrics)).raise_for_status()


@asynccontextmanager
async def replay(
    folder: Path,
    began: float,
    accounts: Mapping[str, Options],
    watchers: Mapping[str, Sequence[str]],
    receivers: Receivers,
) -> AsyncIterator[Replay]:
    """Start at `began` (Unix s). `watchers`: each exporter's name and the accounts it polls."""
    world = Replay(VirtualClock(began, skips=True), receivers.scraped)
    async with AsyncExitStack() as stack:
        urls = {}
        for name, options in accounts.items():
            world.gateways[name] = Simulator(options, clock=world.clock)
            urls[name] = await stack.enter_async_context(
                running(world.serving(world.gateways[name]))
            )
        environ = {f"KEY_{name}": gateway.api_key for name, gateway in world.gateways.items()}
        for name, watched in watchers.items():
            settings = {
                "accounts": [
                    {"name": account, "base_url": urls[account], "api_key_env": f"KEY_{account}"}
                    for account in watched
                ],
                "gateway": {"max_requests_per_minute": 6000},
                "poll": dict.fromkeys(("account", "usage", "transactions"), "1m"),
                "otlp": {"endpoint": f"{receivers.otlp}/opentelemetry/v1/metrics"},
                "state": {"path": str(folder / f"{name}.db")},
            }
            config = parse(json.dumps(settings), environ)
            throttle = Throttle(logging.getLogger("exporter.replay"), world.clock)
            live, store, worker = Live(began), Store(config.state.path), Worker(PATIENCE)
            runtime = Runtime(config, live, store, worker, world.clock, throttle, environ)
            await runtime.open()
            runtime.take_over()
            world.exporters[name] = Exporter(
                runtime, live, store, worker, world.clock, throttle, watched[0]
            )
            stack.push_async_callback(world.exporters[name].close)
        yield world

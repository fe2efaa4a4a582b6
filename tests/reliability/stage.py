"""The exporter and its gateway in one process, in simulated time.

Everything is real but the sockets, the threads and the passing of time: runtime, pollers, gateway
client, ledger, snapshot and the encoding for OTLP; the gateway is the simulator.
"""

from __future__ import annotations

import asyncio
import heapq
import io
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import TypeVar

import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from bytespike_simulator import Simulator, quiet
from bytespike_simulator.app import ENDPOINTS
from exporter import log, threads
from exporter import runtime as fleet_module
from exporter.config.types import Account, Config, Otlp, Poll, State, Usage, UsageStart
from exporter.export_loop import HEAD_START
from exporter.gateway.client import open_http
from exporter.gateway.readings import Endpoint
from exporter.ledger.store import Store
from exporter.live import Live
from exporter.metrics.snapshot import Snapshot
from exporter.otlp.points import requests_of, resource_of
from exporter.otlp.result import ExportResult, success
from exporter.runtime import Runtime, intervals, resource
from exporter.throttle import Throttle
from tests.clock import NOW, VirtualClock
from tests.daemon.fakes import HOUR, NAME, InlineWorker
from tests.reliability.watch import Series, Watch, shown

T = TypeVar("T")

ACCOUNT, USAGE, TRANSACTIONS = Endpoint.ACCOUNT, Endpoint.USAGE, Endpoint.TRANSACTIONS
BASE = "https://gateway.test"
MICRO = 1_000_000
INTERVALS = intervals(Config(accounts=()))
EXPORT_EVERY = 30.0
_STEP = 10.0
_MODELS = ("claude-sonnet-4-6", "gpt-5-4", "veo-3-1")

Outage = Callable[["Stage", httpx.Request], Awaitable[httpx.Response]]
"""What becomes of a request instead of its right answer."""


class Time(VirtualClock):
    """Simulated time that passes once nothing is left to do."""

    def jump(self, seconds: float) -> None:
        """Set our clock, as an administrator or NTP does."""
        self.start += seconds

    async def advance(self, seconds: float) -> None:
        """Let so many seconds pass, waking every sleeper at its time."""
        end = self.time + seconds
        await idle()
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, future = heapq.heappop(self._sleepers)
            self.time = max(self.time, at)
            if not future.done():
                future.set_result(None)
                await idle()
        self.time = end


async def idle() -> None:
    """Return once every other task waits for something."""
    ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
    quiet_rounds = 0
    while quiet_rounds < 3:
        await asyncio.sleep(0)
        quiet_rounds = 0 if ready else quiet_rounds + 1


@dataclass(frozen=True)
class Asked:
    """One request as the gateway saw it, and what it answered (0: nothing)."""

    at: float
    endpoint: Endpoint
    host: str
    status: int


class GatewayTime:
    """The gateway's clock: real time, that is ours without our jumps, and its own error."""

    def __init__(self, clock: Time) -> None:
        self._clock = clock
        self.ahead = 0.0

    def now(self) -> float:
        return NOW + self._clock.monotonic() + self.ahead

    def monotonic(self) -> float:
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


class Stage:
    """One account, or several that each have a host. `outages`: which endpoints fail, and how.

    `enveloped`: whether the quota headers of a failing answer are readings. `balances` and
    `quotas` are what the gateway told last, and when (Unix s, USD).
    """

    def __init__(
        self,
        folder: Path,
        settle: float = HOUR,
        polls: Poll | None = None,
        key_file: Path | None = None,
        accounts: int = 1,
        **options: bool | int | float | str,
    ) -> None:
        """`settle`: the settle window (s). Counting begins two of them ago."""
        self.folder = folder
        self.clock = Time()
        self.gateway_time = GatewayTime(self.clock)
        self.simulator = Simulator(quiet(rpm_limit=0, **options), clock=self.gateway_time)
        self.outages: dict[Endpoint, Outage] = {}
        self.asked: list[Asked] = []
        self.watch = Watch()
        self.sent: list[bytes] = []
        self.exports: list[tuple[float, dict[str, dict[Series, float]]]] = []
        self.balances: list[tuple[float, float]] = []
        self.quotas: list[tuple[float, float]] = []
        self.enveloped = False
        self.log = io.StringIO()
        self.store = Store(folder / "state.db")
        self.store.db.execute("PRAGMA synchronous = OFF")  # tests do not cut the power
        self.rng = random.Random(1)
        self._asgi = httpx.ASGITransport(app=self.simulator)
        self.config = Config(
            accounts=tuple(
                Account(name, base, None if key_file else "KEY", key_file)
                for name, base in _named(accounts)
            ),
            poll=polls or Poll(),
            usage=Usage(start=UsageStart(back=2 * settle), settle_window=settle),
            otlp=Otlp(
                endpoint="http://receiver.test/",
                interval=EXPORT_EVERY if polls is None else polls.account,
            ),
            state=State(path=folder / "state.db"),
        )
        self._resource = resource_of(resource(self.config, self.store.instance_id))
        self.settle = settle
        self.start = NOW - 2 * settle
        self.in_memory = Live(NOW)
        self.runtime: Runtime

    @property
    def key(self) -> str:
        """The key that nothing may show."""
        return self.simulator.api_key

    # -- the gateway --------------------------------------------------------------------

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The transport of the exporter's HTTP client."""
        endpoint = Endpoint(ENDPOINTS[request.url.path])
        outage = self.outages.get(endpoint)
        status = 0
        try:
            if outage is None:
                response = await self.right(request)
            else:
                response = await outage(self, request)
            status = response.status_code
            if outage is None and endpoint is ACCOUNT and status == 200:
                self.note_balance()
            quota = response.headers.get("x-quota-remaining-credits")
            if quota is not None and (outage is None or self.enveloped):
                self.quotas.append((self.clock.now(), float(quota)))
            return response
        finally:
            self.asked.append(Asked(self.clock.time, endpoint, request.url.host, status))

    def note_balance(self) -> None:
        """The account endpoint is just telling the balance as it is."""
        available = self.simulator.world.wallet.available
        self.balances.append((self.clock.now(), available / MICRO))

    async def right(self, request: httpx.Request) -> httpx.Response:
        """The gateway's own answer, with its date."""
        response = await self._asgi.handle_async_request(request)
        response.headers["date"] = formatdate(self.gateway_time.now(), usegmt=True)
        return response

    def requests(self, endpoint: Endpoint, since: float = 0.0) -> list[float]:
        """When an endpoint was asked (simulated seconds)."""
        return [a.at for a in self.asked if a.endpoint is endpoint and a.at >= since]

    # -- what happens -------------------------------------------------------------------

    async def live(self, seconds: float, look: Callable[[], None] = lambda: None) -> None:
        """Let time pass while the gateway bills, settles late and is topped up."""
        end = self.clock.time + seconds
        while self.clock.time < end:
            self.happen()
            await self.clock.advance(min(_STEP, end - self.clock.time))
            look()

    async def rest(self) -> None:
        """Nothing happens until the settle window was swept, and all is polled and exported."""
        await self.clock.advance(self.settle / 2 + 2.2 * max(intervals(self.config).values()) + 700)

    def happen(self) -> None:
        """Something that costs or brings money, now."""
        world, rng, now = self.simulator.world, self.rng, self.gateway_time.now()
        world.advance(now)
        credits = rng.randrange(1, 90_000)
        world.bill(model=rng.choice(_MODELS), credits=credits, at=now)
        if rng.random() < 0.05:
            age = rng.uniform(600, 0.8 * HOUR)
            world.bill(model="veo-3-1", credits=credits, at=max(self.start + 1, now - age))
        if rng.random() < 0.05:
            world.transaction("topup", rng.randrange(1, 50 * MICRO), at=now)

    # -- what is seen -------------------------------------------------------------------

    async def export(self, snapshot: Snapshot) -> ExportResult:
        """The stage is its own OTLP exporter and receiver.

        `exports` has one entry for what is sent together, in however many requests.
        """
        now = self.clock.now()
        if not self.exports or now - self.exports[-1][0] > 2 * HEAD_START:
            self.exports.append((now, {}))
        for request in requests_of(snapshot, self._resource):
            body = request.SerializeToString()
            self.sent.append(body)
            arrived = ExportMetricsServiceRequest.FromString(body)
            self.watch.take(arrived)
            for name, values in shown(arrived).items():
                self.exports[-1][1].setdefault(name, {}).update(values)
        return success()

    async def close(self) -> None:
        """An OTLP exporter is closed at its end."""

    @property
    def newest(self) -> dict[str, dict[Series, float]]:
        """What the newest export says."""
        return self.exports[-1][1]

    def up(self, endpoint: Endpoint) -> float | None:
        """`bytespike.gateway.up` in the newest export."""
        return of(self.newest.get("bytespike.gateway.up", {}), "bytespike.endpoint", endpoint)


def _named(accounts: int) -> Iterator[tuple[str, str]]:
    """Names and base URLs of so many accounts; the first ones are everybody's."""
    yield NAME, BASE
    for number in range(1, accounts):
        yield f"{NAME}-{number:04}", f"https://gateway-{number:04}.test"


def of(values: dict[Series, float], name: str, value: str) -> float | None:
    """The value of the series that has this attribute."""
    return next((number for series, number in values.items() if (name, value) in series), None)


async def _at_once(function: Callable[[], T]) -> T:
    return function()


@asynccontextmanager
async def staged(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    settle: float = HOUR,
    polls: Poll | None = None,
    key_file: Path | None = None,
    accounts: int = 1,
    **options: bool | int | float | str,
) -> AsyncIterator[Stage]:
    """A stage that polls and exports while the block runs. Its log is at debug level."""
    stage = Stage(folder, settle, polls, key_file, accounts, **options)
    monkeypatch.setattr(fleet_module, "OtlpExporter", lambda *arguments: stage)
    monkeypatch.setattr(fleet_module, "connect", lambda config: _connected(stage))
    monkeypatch.setattr(threads, "call", _at_once)
    log.configure("debug", "text", stage.log)
    throttle = Throttle(logging.getLogger("exporter"), stage.clock)
    stage.runtime = Runtime(
        stage.config,
        stage.in_memory,
        stage.store,
        InlineWorker(),
        stage.clock,
        throttle,
        {"KEY": stage.key},
    )
    await stage.runtime.open()
    stage.runtime.take_over()
    stage.runtime.start()
    try:
        yield stage
    finally:
        await stage.runtime.stop()
        stage.store.close()
        log.configure("info", "text")


def _connected(stage: Stage) -> httpx.AsyncClient:
    class Transport(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return await stage.handle_async_request(request)

    return open_http(10.0, transport=Transport())

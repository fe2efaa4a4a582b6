"""The exporter and its gateway in one process, in simulated time.

Everything is real but the sockets, the threads and the passing of time: runtime, pollers, gateway
client, ledger, snapshot and the encoding for OTLP; the gateway is the simulator.
"""

from __future__ import annotations

import io
import logging
import random
from collections.abc import AsyncIterator, Callable
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
from exporter import runtime as runtime_module
from exporter.config.types import Account, Config, Otlp, Poll, State, Usage, UsageStart
from exporter.gateway.client import open_http
from exporter.gateway.readings import Endpoint
from exporter.ledger.store import Store
from exporter.live import Live
from exporter.metrics.snapshot import Snapshot
from exporter.otlp.exporter import requests_of, resource_of
from exporter.otlp.receiver import ExportResult, success
from exporter.runtime import Runtime, intervals, resource
from exporter.throttle import Throttle
from tests.clock import NOW, VirtualClock
from tests.daemon.fakes import HOUR, NAME, InlineWorker
from tests.reliability.watch import MICRO, Watch

T = TypeVar("T")

BASE = "https://gateway.test"
INTERVALS = intervals(Config(accounts=()))
EXPORT_EVERY = 30.0
_STEP = 10.0
_MODELS = ("claude-sonnet-4-6", "gpt-5-4", "veo-3-1")


@dataclass(frozen=True)
class Asked:
    """One request as the gateway saw it."""

    at: float
    endpoint: Endpoint


class GatewayTime:
    """The gateway's clock: real time, that is ours without our jumps, and its own error."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.ahead = 0.0

    def now(self) -> float:
        return NOW + self._clock.monotonic() + self.ahead

    def monotonic(self) -> float:
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


class Stage:
    """One account, its gateway, and the receiver of its exports."""

    def __init__(
        self,
        folder: Path,
        settle: float = HOUR,
        polls: Poll | None = None,
    ) -> None:
        """`settle`: the settle window (s). Counting begins two of them ago."""
        self.folder = folder
        self.clock = VirtualClock()
        self.gateway_time = GatewayTime(self.clock)
        self.simulator = Simulator(quiet(rpm_limit=0), clock=self.gateway_time)
        self.asked: list[Asked] = []
        self.watch = Watch()
        self.log = io.StringIO()
        self.store = Store(folder / "state.db")
        self.store.db.execute("PRAGMA synchronous = OFF")  # tests do not cut the power
        self.rng = random.Random(1)
        self._asgi = httpx.ASGITransport(app=self.simulator)
        self.config = Config(
            accounts=(Account(NAME, BASE, "KEY"),),
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

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The transport of the exporter's HTTP client: the gateway's answer, with its date."""
        self.asked.append(Asked(self.clock.time, Endpoint(ENDPOINTS[request.url.path])))
        response = await self._asgi.handle_async_request(request)
        response.headers["date"] = formatdate(self.gateway_time.now(), usegmt=True)
        return response

    def requests(self, endpoint: Endpoint, since: float = 0.0) -> list[float]:
        """When an endpoint was asked (simulated seconds)."""
        return [a.at for a in self.asked if a.endpoint is endpoint and a.at >= since]

    async def live(self, seconds: float) -> None:
        """Let time pass while the gateway bills, settles late and is topped up."""
        end = self.clock.time + seconds
        while self.clock.time < end:
            self.happen()
            await self.clock.advance(min(_STEP, end - self.clock.time))

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

    async def export(self, snapshot: Snapshot) -> ExportResult:
        """The stage is its own OTLP exporter and receiver."""
        for request in requests_of(snapshot, self._resource):
            body = request.SerializeToString()
            self.watch.take(ExportMetricsServiceRequest.FromString(body))
        return success()

    async def close(self) -> None:
        """An OTLP exporter is closed at its end."""


async def _at_once(function: Callable[[], T]) -> T:
    return function()


@asynccontextmanager
async def staged(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    settle: float = HOUR,
    polls: Poll | None = None,
) -> AsyncIterator[Stage]:
    """A stage that polls and exports while the block runs. Its log is at debug level."""
    stage = Stage(folder, settle, polls)
    monkeypatch.setattr("exporter.otlp.OtlpExporter", lambda *arguments: stage)
    monkeypatch.setattr(runtime_module, "connect", lambda config: _connected(stage))
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
        {"KEY": stage.simulator.api_key},
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

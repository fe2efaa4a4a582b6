"""The real exporter against the second gateway, in virtual time and without a socket.

What it says is read where users read it: from what an OTLP receiver got, and from its log.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from exporter import threads
from exporter.books.month import Month
from exporter.books.movements import transactions
from exporter.books.reconcile import reconcile_month
from exporter.books.request_found import reconcile_request
from exporter.check import check
from exporter.clock import SystemClock
from exporter.config.load import load
from exporter.daemon import Daemon
from tests.second_gateway.gateway import SECONDS, Gateway, Key, Switches, User
from tests.second_gateway.receiver import Receiver, Sample, Series
from tests.second_gateway.virtual_time import VirtualLoop

BEGIN = 1_779_372_000.0
"""21 May 2026, 14:00 UTC: when a scene begins."""

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
ADA, EVE = User(88, "ada"), User(99, "eve")
A, B = "claude-sonnet-4-6", "gpt-5-4"

T = TypeVar("T")


def key_of(user: User, id: int = 17, end: str = "9f3c", **more: Any) -> Key:
    return Key(id, f"sk-byts-abcdefghijklmnop{end}", f"key-{id}", user, **more)


class Scene:
    """One exporter, what it is connected to, and its machine's clock.

    `gateway` is where every account asks unless its settings say otherwise. `ahead` is how far
    the machine's clock is before the true time, which the gateway has unless it is switched off.
    """

    def __init__(self, folder: Path, log: pytest.LogCaptureFixture) -> None:
        self.folder = folder
        self.log = log
        self._gateways = 0
        self.gateway = self.another_gateway()
        self.gateways = {4001: self.gateway}
        self.key = self.gateway.books.add_key(key_of(ADA))
        self.receiver = Receiver()
        self.ahead = 0.0
        self.settings: dict[str, Any] = {
            "accounts": [self.account("prod", self.key)],
            "gateway": {"base_url": "http://localhost:4001"},
            "poll": {"account": "60s", "usage": "60s", "transactions": "60s"},
            "otlp": {"endpoint": "http://localhost:4318", "interval": "60s"},
            "state": {"path": str(folder / "state" / "bytespike.db")},
            "http": {"listen": ""},
        }
        self.other = self.key
        self.first = ""
        self._task: asyncio.Task[None] | None = None
        self._daemon: Daemon

    # -- the world ----------------------------------------------------------------------

    @property
    def now(self) -> float:
        """The true time."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        return BEGIN + loop.time()

    def another_gateway(self, **switches: Any) -> Gateway:
        self._gateways += 1
        return Gateway(lambda: self.now, Switches(**switches), first=self._gateways * 1_000_000)

    def account(self, name: str, key: Key, **more: Any) -> dict[str, Any]:
        """The settings of an account; its key is in a file."""
        self.put_key(name, key)
        return {"name": name, "api_key_file": str(self.folder / f"{name}.key"), **more}

    def put_key(self, name: str, key: Key) -> None:
        new = self.folder / f"{name}.new"
        new.write_text(key.secret, encoding="utf-8")
        new.rename(self.folder / f"{name}.key")

    def pace(self, every: str) -> None:
        """How often everything is polled and exported: seldom, where days have to pass."""
        self.settings["poll"] = dict.fromkeys(("account", "usage", "transactions"), every)
        self.settings["otlp"]["interval"] = every

    def spend(self, usd: str, model: str = A, **more: Any) -> str:
        return self.gateway.spend(more.pop("key", self.key), usd, model, **more)

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def until(self, at: float) -> None:
        """Wait until so many seconds after the scene began."""
        await asyncio.sleep(BEGIN + at - self.now)

    # -- the exporter -------------------------------------------------------------------

    async def start(self) -> None:
        ready = asyncio.Event()
        read = self._read
        self._daemon = Daemon(read(), self._environ, read, SystemClock())
        self._task = asyncio.create_task(self._daemon.run(ready.set))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({self._task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._task.done():
            self._task.result()

    async def stop(self) -> None:
        if self._task is not None:
            task, self._task = self._task, None
            self._daemon.stop()
            await task

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def reload(self) -> None:
        self._daemon.reload()
        await self.wait(1)

    async def a_day(self) -> None:
        """More than a day, in which everything is polled now and then."""
        self.pace("30m")
        await self.reload()
        await self.wait(26 * HOUR)

    async def check(self) -> bool:
        """What the command `check` says is printed."""
        return await check(self._read(), self.folder / "config.yaml", self._environ)

    async def request_is_well(self, request_id: str) -> bool:
        """What `reconcile --request-id` says is printed."""
        return await reconcile_request(self._read(), self._environ, request_id, "json")

    async def may_is_well(self) -> bool:
        """What `reconcile --month 2026-05` says is printed."""
        return await reconcile_month(self._read(), self._environ, Month.read("2026-05"), "json")

    async def movements(self, kind: str) -> None:
        """What `transactions --month 2026-05` says is printed."""
        may = Month.read("2026-05")
        await transactions(self._read(), self._environ, may, kind, "json")

    def keep_state(self) -> None:
        """A copy of the state file, of an exporter that is stopped."""
        shutil.copytree(self.folder / "state", self.folder / "kept", dirs_exist_ok=True)

    def restore_state(self) -> None:
        shutil.rmtree(self.folder / "state")
        shutil.copytree(self.folder / "kept", self.folder / "state")

    @property
    def _environ(self) -> dict[str, str]:
        return dict(self.settings.get("environ", {}))

    def _read(self) -> Any:
        file = self.folder / "config.yaml"
        said = {name: value for name, value in self.settings.items() if name != "environ"}
        file.write_text(json.dumps(said), encoding="utf-8")
        return load(file, self._environ)

    # -- what it says -------------------------------------------------------------------

    def newest(self, name: str, **attributes: str) -> dict[Series, Sample]:
        """The samples of a metric that came in the last interval or two."""
        since = self.now + self.ahead - 2.5 * _seconds(self.settings["otlp"]["interval"])
        found = {s: samples[-1] for s, samples in self.receiver.series(name, **attributes)}
        return {series: sample for series, sample in found.items() if sample.at >= since}

    def gauge(self, name: str, **attributes: str) -> float | None:
        """The newest value, None where there is none; there must not be several."""
        values = [sample.value for sample in self.newest(name, **attributes).values()]
        assert len(values) <= 1, f"{name} has {values}"
        return values[0] if values else None

    def counted(self, **attributes: str) -> float:
        """Usage counted, in USD."""
        return round(sum(s.value for s in self.newest("usage.cost", **attributes).values()), 9)

    def by_model(self) -> dict[str, float]:
        sums: dict[str, float] = {}
        for series, sample in self.newest("usage.cost").items():
            model = series["gen_ai.request.model"]
            sums[model] = round(sums.get(model, 0.0) + sample.value, 9)
        return {model: usd for model, usd in sums.items() if usd}

    def increase(self, name: str = "usage.cost", **attributes: str) -> float:
        return round(self.receiver.increase(name, **attributes), 9)

    def up(self, endpoint: str = "usage") -> float | None:
        return self.gauge("gateway.up", endpoint=endpoint)

    def rejected(self) -> float:
        return self.increase("exporter.usage.rows", outcome="rejected")

    def lines(self, level: int = logging.WARNING) -> list[str]:
        return [one.getMessage() for one in self.log.records if one.levelno >= level]

    def told(self, *words: str, level: int = logging.WARNING) -> bool:
        """Whether one line of the log holds all of these words."""
        return any(all(word in line for word in words) for line in self.lines(level))


def connect(scene: Scene, patch: pytest.MonkeyPatch) -> None:
    """Put the scene where sockets, threads and the machine's clock would be."""

    async def carry(_: object, request: httpx.Request) -> httpx.Response:
        if request.url.port == 4318:
            await request.aread()
            status, body = scene.receiver.take(gzip.decompress(request.content))
            return httpx.Response(status, stream=httpx.ByteStream(body))
        answer = scene.gateways[request.url.port or 0](request)
        await asyncio.sleep(answer.extensions[SECONDS])
        stream = httpx.ByteStream(answer.content)
        return httpx.Response(answer.status_code, headers=answer.headers.raw, stream=stream)

    async def do(_: object, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        return function(*args, **kwargs)

    async def call(function: Callable[[], T]) -> T:
        return function()

    patch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", carry)
    patch.setattr(threads.Worker, "do", do)
    patch.setattr(threads, "call", call)
    patch.setattr(SystemClock, "now", lambda _: scene.now + scene.ahead)
    patch.setattr(SystemClock, "monotonic", lambda _: asyncio.get_running_loop().time())


def _seconds(duration: str) -> float:
    return float(duration[:-1]) * {"s": 1, "m": MINUTE, "h": HOUR}[duration[-1]]


async def end(scene: Scene) -> None:
    with suppress(asyncio.CancelledError):
        await scene.stop()

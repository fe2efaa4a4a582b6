"""The daemon in this process, against a simulated gateway on loopback."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from bytespike_simulator import Fault, Simulator, quiet, running
from exporter.config.types import (
    Account,
    Config,
    Gateway,
    Http,
    Listen,
    Otlp,
    Poll,
    State,
    Tap,
    Usage,
    UsageStart,
)
from exporter.daemon import Daemon

VARIABLE = "SIMULATED_KEY"
PATIENCE = 10.0


class Live:
    """One daemon, its gateway and the configuration that it would read at a reload."""

    def __init__(self, folder: Path, simulator: Simulator, url: str) -> None:
        self.simulator = simulator
        self.url = url
        self.config = Config(
            accounts=(self.account("prod"),),
            gateway=Gateway(base_url=url, timeout=5.0, max_requests_per_minute=6000),
            poll=Poll(account=0.2, usage=0.2, transactions=0.2),
            usage=Usage(start=UsageStart(back=3600.0)),
            otlp=Otlp(endpoint="", interval=0.2, timeout=5.0),
            state=State(path=folder / "state.db"),
            http=Http(listen=Listen("127.0.0.1", 0)),
        )
        self.environ = {VARIABLE: simulator.api_key}
        self.next: Config | Exception | None = None
        self.daemon: Daemon

    def account(self, name: str) -> Account:
        return Account(name, self.url, api_key_env=VARIABLE)

    def change(self, **changes: object) -> None:
        """Start with another configuration."""
        self.config = replace(self.config, **changes)

    def reload(self, wanted: Config | Exception) -> None:
        """Read `wanted` at once, as after a SIGHUP."""
        self.next = wanted
        self.daemon.reload()

    def read(self) -> Config:
        """What the daemon calls to read its configuration again."""
        if isinstance(self.next, Exception):
            raise self.next
        assert self.next is not None
        return self.next

    async def get(self, path: str, address: str | None = None) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
            return await client.get(f"http://{address or self.daemon.address}{path}")

    def fail(self, kind: str, endpoint: str = "*", **more: object) -> None:
        """The gateway fails from now on, until `heal`."""
        self.simulator.faults.add(Fault(kind=kind, endpoint=endpoint, **more))  # type: ignore[arg-type]

    def heal(self) -> None:
        self.simulator.faults.clear()


@asynccontextmanager
async def gateway(folder: Path) -> AsyncIterator[Live]:
    """A gateway, and a daemon that is not started yet."""
    simulator = Simulator(quiet(rpm_limit=0))
    async with running(simulator) as url:
        yield Live(folder, simulator, url)


@asynccontextmanager
async def daemon(live: Live) -> AsyncIterator[Daemon]:
    """The daemon runs while the block does, and must end well with it."""
    live.daemon = Daemon(live.config, live.environ, live.read)
    ready = asyncio.Event()
    task = asyncio.create_task(live.daemon.run(ready.set))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        waiting.cancel()
        task.result()
    try:
        yield live.daemon
        assert not task.done()
    finally:
        live.daemon.stop()
        await asyncio.wait_for(task, PATIENCE)


async def until(look: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Return as soon as `look` gives something true; fails after `seconds`."""
    async with asyncio.timeout(seconds):
        while not look():  # noqa: ASYNC110 (what is looked at knows no event)
            await asyncio.sleep(0.01)


async def shows(live: Live, metric: str, value: str) -> None:
    """Return once `/metrics` has one series of this name, with this value."""
    async with asyncio.timeout(PATIENCE):
        values: list[str] = []
        while values != [value]:
            lines = (await live.get("/metrics")).text.splitlines()
            values = [line.rpartition(" ")[2] for line in lines if line.startswith(metric)]
            await asyncio.sleep(0.05)


def polled(live: Live, name: str = "prod") -> bool:
    """Whether every endpoint of the account has answered."""
    account = live.daemon._live.accounts.get(name)
    return account is not None and all(s.last_success for s in account.endpoints.values())


def said(caplog: pytest.LogCaptureFixture, words: str) -> bool:
    """Whether a line of the log holds these words."""
    return any(words in record.getMessage() for record in caplog.records)


@contextmanager
def hanging_ledger(live: Live) -> Iterator[None]:
    """Nothing that is asked of the state file comes back."""
    hang = threading.Event()
    live.daemon._worker.calls.put(hang.wait)
    try:
        yield
    finally:
        hang.set()


@contextmanager
def taken(setting: str) -> Iterator[dict[str, Http | Tap]]:
    """The setting `http` or `tap` with an address that another socket holds."""
    kind = socket.SOCK_STREAM if setting == "http" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as held:
        held.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            held.listen()
        listen = Listen("127.0.0.1", held.getsockname()[1])
        yield {setting: Http(listen=listen) if setting == "http" else Tap(listen)}

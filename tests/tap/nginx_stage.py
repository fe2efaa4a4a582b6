"""What nginx is tested between: a gateway that does as a test says, and a listener."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from exporter.clock import SystemClock
from exporter.gateway.readings import Observation
from exporter.tap import listener as module
from exporter.tap.datagram import decode
from tests.daemon.live import until
from tests.peers.fixtures import StartPeer
from tests.peers.nginx import Nginx
from tests.tap.bench import Bench, running

Answer = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Behind = Callable[..., Nginx]

PLAIN = {"proxy_pass https://": "proxy_pass http://"}


@pytest.fixture
def behind(start_peer: StartPeer, tmp_path: Path) -> Behind:
    """Starts an nginx in front of `gateway` that reports to `tap`; plain HTTP unless said."""

    def start(tap: str, gateway: str, more: str = "", **changes: str) -> Nginx:
        address = gateway.removeprefix("http://")
        return start_peer(Nginx(tmp_path / "nginx", tap, address, changes or PLAIN, more))

    return start


@pytest.fixture
def datagrams(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Everything that has reached a listener."""
    seen: list[bytes] = []

    def recording(datagram: bytes, now: float) -> Observation:
        seen.append(datagram)
        return decode(datagram, now)

    monkeypatch.setattr(module, "decode", recording)
    return seen


@asynccontextmanager
async def reporting(
    behind: Behind, gateway: str, **changes: str
) -> AsyncIterator[tuple[Bench, httpx.AsyncClient]]:
    """A listener, and a client of the nginx that reports to it."""
    async with running(clock=SystemClock()) as bench:
        nginx = behind(bench.listener.address, gateway, **changes)
        async with httpx.AsyncClient(base_url=nginx.url, trust_env=False, timeout=30) as client:
            yield bench, client


async def seen(bench: Bench, count: int) -> Observation:
    """The observation that is the `count`th."""
    await until(partial(bench.has_taken, count))
    return bench.taken[-1]


class Scripted:
    """A gateway that reads the head of each request and lets `answer` do the rest."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.connections = 0
        self.open: dict[asyncio.Task[Any] | None, asyncio.StreamWriter] = {}
        self.heads: list[bytes] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, for as many requests as come on it."""
        self.connections += 1
        self.open[asyncio.current_task()] = writer
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                await self._answer(head, reader, writer)
                await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def scripted(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Scripted]:
    gateway = Scripted(answer)
    server = await asyncio.start_server(gateway.serve, "127.0.0.1", 0, limit=1 << 20, ssl=tls)
    async with server:
        gateway.url = "http://{}:{}".format(*server.sockets[0].getsockname())
        yield gateway
        for writer in gateway.open.values():
            writer.close()
        await asyncio.gather(*filter(None, gateway.open))


async def empty(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-RateLimit-Limit: 200.00\r\n\r\n")


@contextmanager
def repeating(*answers: str) -> Iterator[str]:
    """Where a gateway is that gives one answer after the other, whatever it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                for number in range(1_000_000):
                    connection, _ = server.accept()
                    with connection, suppress(OSError):
                        connection.recv(65_536)
                        connection.sendall(answers[number % len(answers)].encode())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()

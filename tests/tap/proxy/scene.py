"""A proxy between a client and a gateway whose every byte the test chooses."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Self

from exporter.clock import Clock
from exporter.config.types import Listen
from exporter.gateway.readings import Observation
from exporter.tap.proxy import Proxy, ProxyTarget
from exporter.traffic import ProxyOutcome, TapStatus
from tests.clock import VirtualClock

PATIENCE = 10.0
KEY = "sk-byts-0123456789ab9f3c"
MASKED = "sk-byts-…9f3c"
GET = b"GET /v1/x HTTP/1.1\r\nHost: localhost\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LOOPBACK = Listen("127.0.0.1", 0)


class Wire:
    """One end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def flush(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.writer.drain()

    async def until(self, end: bytes) -> bytes:
        """What comes up to and with `end`."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readuntil(end)

    async def head(self) -> bytes:
        return await self.until(b"\r\n\r\n")

    async def exactly(self, size: int) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readexactly(size)

    async def rest(self) -> bytes:
        """All that comes until the other side closes. Raises ConnectionError where it resets."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.read()

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """Close so that the other side notices that something is missing."""
        linger = struct.pack("ii", 1, 0)
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()

    @property
    def port(self) -> int:
        """That of the other side."""
        port: int = self.writer.get_extra_info("peername")[1]
        return port


class Gateway:
    """Takes connections, and leaves it to the test what to say on them."""

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[Wire] = asyncio.Queue()
        self.all: list[Wire] = []

    async def start(self, port: int = 0, tls: ssl.SSLContext | None = None) -> Self:
        self.server = await asyncio.start_server(
            self._accept, "127.0.0.1", port, limit=1 << 20, ssl=tls
        )
        self.port: int = self.server.sockets[0].getsockname()[1]
        return self

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(reader, writer)
        self.all.append(wire)
        self.waiting.put_nowait(wire)

    async def next(self) -> Wire:
        """The next connection that is made."""
        async with asyncio.timeout(PATIENCE):
            return await self.waiting.get()

    def close(self) -> None:
        self.server.close()
        for wire in self.all:
            wire.writer.transport.abort()


class Scene:
    """One proxy, its gateway, and what came of it. Time passes in `clock` only."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.status = TapStatus()
        self.seen: list[Observation] = []
        self.gateway = Gateway()
        self.wires: list[Wire] = []
        self.proxy: Proxy

    async def start(
        self,
        *,
        prefix: str = "",
        listen: Listen = LOOPBACK,
        scheme: str = "http",
        allow_hosts: tuple[str, ...] = (),
    ) -> None:
        clock: Clock = self.clock
        url = f"{scheme}://127.0.0.1:{self.gateway.port}{prefix}"
        target = ProxyTarget(url, allow_hosts)
        self.proxy = Proxy(listen, target, self.seen.append, self.status, clock)
        await self.proxy.start()

    async def client(self) -> Wire:
        host, _, port = self.proxy.address.rpartition(":")
        wire = Wire(*await asyncio.open_connection(host.strip("[]"), int(port), limit=1 << 20))
        self.wires.append(wire)
        return wire

    async def asked(self, request: bytes = GET) -> tuple[Wire, Wire]:
        """A client that has sent a request, and the gateway's connection that has its head."""
        client = await self.client()
        client.send(request)
        asked = await self.gateway.next()
        await asked.head()
        return client, asked

    async def until(self, look: Callable[[], object]) -> None:
        """Return once `look` gives something true."""
        async with asyncio.timeout(PATIENCE):
            while not look():  # noqa: ASYNC110 (what is looked at knows no event)
                await asyncio.sleep(0.002)

    async def ended(self, outcome: ProxyOutcome, count: int = 1) -> None:
        """Return once so many requests have ended so; no other may have, and none be active."""
        await self.until(lambda: sum(self.status.requests.values()) >= count)
        await self.until(lambda: not self.status.active)
        assert self.status.requests == dict.fromkeys(ProxyOutcome, 0) | {outcome: count}


@asynccontextmanager
async def scene(
    *, started: bool = True, tls: ssl.SSLContext | None = None, **options: object
) -> AsyncIterator[Scene]:
    """A scene whose gateway may speak TLS; `options` are those of `Scene.start`.

    What goes wrong in the event loop, where nobody would see it, fails the test.
    """
    wrong: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: wrong.append(context))
    made = Scene()
    await made.gateway.start(tls=tls)
    if started:
        await made.start(**options)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        for wire in made.wires:
            wire.writer.transport.abort()
        if hasattr(made, "proxy"):
            await made.proxy.stop(0.0)
        made.gateway.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert wrong == []


def error_of(answer: bytes) -> tuple[int, str]:
    """The status of an answer of the proxy itself, and its error's type without the prefix."""
    import msgspec

    head, _, body = answer.partition(b"\r\n\r\n")
    error = msgspec.json.decode(body)["error"]
    assert set(error) == {"type", "message"}
    assert error["message"]
    assert f"content-length: {len(body)}".encode() in head.lower()
    return int(head.split()[1]), error["type"].removeprefix("bytespike_tap_")

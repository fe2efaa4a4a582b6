"""The server over a real socket, and clients that behave as badly as a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import httpx

from exporter.config.types import Listen
from exporter.ledger.totals import AccountTotals
from exporter.web.app import App
from exporter.web.server import Bounds, WebServer
from exporter.web.view import Totals, View
from tests.clock import VirtualClock
from tests.web.fakes import healthy

LOOPBACK = Listen("127.0.0.1", 0)

IMPATIENT = Bounds(request_seconds=0.2, connections=4)
"""Bounds that a test can wait for."""


def serving(view: View, totals: Totals) -> App:
    return App(lambda: view, totals, VirtualClock())


def known(totals: Mapping[str, AccountTotals]) -> Totals:
    async def read() -> Mapping[str, AccountTotals]:
        return totals

    return read


async def hanging() -> Mapping[str, AccountTotals]:
    """Totals that never come."""
    await asyncio.Event().wait()
    return {}


@asynccontextmanager
async def running(app: App | None = None, bounds: Bounds | None = None) -> AsyncIterator[WebServer]:
    if app is None:
        view, totals = healthy("prod")
        app = serving(view, known(totals))
    server = WebServer(LOOPBACK, app, bounds)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def get(server: WebServer, path: str, method: str = "GET", **more: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.request(method, f"http://{server.address}{path}", headers=more)


async def connect(server: WebServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = server.address.rsplit(":", 1)
    return await asyncio.open_connection(host, int(port))


def opened(server: WebServer) -> int:
    """How many connections are open on its side."""
    return sum(not connection.aborted for connection in server._connections())


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come about within 30 s")


async def ended(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the server closes."""
    async with asyncio.timeout(5):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


async def told(server: WebServer, sent: bytes) -> bytes:
    """All that comes on a connection on which this is sent, until the server closes it."""
    reader, writer = await connect(server)
    writer.write(sent)
    answered = await ended(reader)
    writer.close()
    return answered

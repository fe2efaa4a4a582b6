"""The server ends quickly and well, whatever is open and whatever is on its way."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import time
from collections.abc import Mapping

import pytest

from exporter.ledger.totals import AccountTotals
from exporter.web.server import WebServer
from tests.web.fakes import healthy
from tests.web.serving import LOOPBACK, connect, ended, get, hanging, known, serving

pytestmark = pytest.mark.anyio


async def test_it_stops_within_a_second_whatever_is_open() -> None:
    server = WebServer(LOOPBACK, serving(healthy("prod")[0], hanging))
    await server.start()
    idle, stuck, partial = [await connect(server) for _ in range(3)]
    idle[1].write(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
    await idle[0].readline()
    stuck[1].write(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")
    partial[1].write(b"GET /")
    await asyncio.sleep(0.05)
    began = time.monotonic()
    await server.stop()
    assert time.monotonic() - began < 1
    for reader, writer in (idle, stuck, partial):
        await ended(reader)
        writer.close()
    with pytest.raises(RuntimeError):
        _ = server.address


async def test_an_answer_under_way_is_finished_when_the_server_stops() -> None:
    asked, release = asyncio.Event(), asyncio.Event()

    async def slow() -> Mapping[str, AccountTotals]:
        asked.set()
        await release.wait()
        return healthy("prod")[1]

    server = WebServer(LOOPBACK, serving(healthy("prod")[0], slow))
    await server.start()
    answer = asyncio.create_task(get(server, "/metrics"))
    await asked.wait()
    stopping = asyncio.create_task(server.stop())
    await asyncio.sleep(0)
    release.set()
    assert (await answer).status_code == 200
    await stopping


@pytest.mark.parametrize("rounds", range(6))
async def test_a_connection_on_its_way_is_served_or_closed_when_the_server_stops(
    rounds: int,
) -> None:
    view, totals = healthy("prod")
    server = WebServer(LOOPBACK, serving(view, known(totals)))
    await server.start()
    host, port = server.address.split(":")
    with socket.create_connection((host, int(port))) as client:
        for _ in range(rounds):
            await asyncio.sleep(0)
        await server.stop()
        gc.collect()  # an unclosed socket would warn, and a warning is an error
        client.setblocking(False)
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionResetError):
                assert await asyncio.get_running_loop().sock_recv(client, 1) == b""

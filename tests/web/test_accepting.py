"""Whoever has been accepted is served or closed, at whatever instant the server stops."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket

import pytest

from exporter import accept

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("rounds", range(6))
async def test_a_connection_on_its_way_reaches_its_protocol_before_the_server_closes(
    rounds: int,
) -> None:
    loop = asyncio.get_running_loop()
    taken: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: taken.append(writer), "127.0.0.1", 0)
    with socket.create_connection(server.sockets[0].getsockname()) as client:
        for _ in range(rounds):
            await asyncio.sleep(0)
        await accept.close(server)
        for writer in taken:
            writer.transport.abort()
        taken.clear()
        await asyncio.sleep(0)
        gc.collect()  # an unclosed socket would warn, and a warning is an error
        client.setblocking(False)
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionResetError):
                assert await loop.sock_recv(client, 1) == b""

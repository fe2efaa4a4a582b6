"""Streams: each piece at once, and no more in memory than both sides have room for."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest

from exporter.traffic import ProxyOutcome
from tests.tap.proxy.scene import GET, PATIENCE, Scene, Wire, scene

pytestmark = pytest.mark.anyio

EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = 64 << 20
"""Bytes that no buffer on the way could hold, those of the system included."""

HELD = 4 << 20
"""What the proxy may hold of them, with plenty to spare for the test itself."""


async def test_each_event_is_passed_on_as_sent_before_the_next_one_exists() -> None:
    async with scene() as made:
        client, gateway = await made.asked()
        gateway.send(EVENTS)
        assert await client.exactly(len(EVENTS)) == EVENTS
        for number in range(20):
            event = b"data: %d\n\n" % number
            chunk = b"%x\r\n%b\r\n" % (len(event), event)
            gateway.send(chunk)
            assert await client.exactly(len(chunk)) == chunk
        gateway.send(b"0\r\n\r\n")
        assert await client.exactly(5) == b"0\r\n\r\n"
        await made.ended(ProxyOutcome.ANSWERED)


async def test_each_piece_of_a_request_is_passed_on_before_the_next_one_exists() -> None:
    async with scene() as made:
        client, gateway = await made.asked(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for number in range(20):
            chunk = b"2\r\n%02d\r\n" % number
            client.send(chunk)
            assert await gateway.exactly(len(chunk)) == chunk


async def test_both_sides_may_talk_at_once() -> None:
    async with scene() as made:
        client, gateway = await made.asked(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        gateway.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await client.head()
        for number in range(5):
            chunk = b"2\r\n%02d\r\n" % number
            client.send(chunk)
            assert await gateway.exactly(len(chunk)) == chunk
            gateway.send(chunk)
            assert await client.exactly(len(chunk)) == chunk


async def flooded(wire: Wire) -> int:
    """Send until the other side has not taken anything for a while; returns how much it took."""
    block = b"x" * 65_536
    sent = 0
    while sent < ENDLESS:
        wire.send(block)
        try:
            async with asyncio.timeout(0.3):
                await wire.writer.drain()
        except TimeoutError:
            break
        sent += len(block)
    return sent


async def test_a_client_that_does_not_read_holds_the_gateway_up_and_not_in_memory() -> None:
    async with scene() as made:
        client, gateway = await made.asked()
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        gateway.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % ENDLESS)
        tracemalloc.start()
        try:
            sent = await flooded(gateway)
            held = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        assert sent < ENDLESS
        assert held < HELD
        client.reader._transport.resume_reading()  # type: ignore[attr-defined]
        await client.head()
        assert await client.exactly(sent) == b"x" * sent  # nothing of it was lost


async def test_a_client_that_asks_on_without_reading_is_held_up_all_the_same() -> None:
    async with scene() as made:
        client, gateway = await made.asked(GET * 1000)
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        (connection,) = made.proxy._shared.clients
        body = b"x" * 50_000
        while not connection.full:  # whole answers, until one of them does not go out any more
            gateway.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            await gateway.head()
        gateway.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % ENDLESS)
        assert await flooded(gateway) < ENDLESS
        assert connection.transport.get_write_buffer_size() < HELD


async def test_a_gateway_that_does_not_read_holds_the_client_up_and_not_in_memory() -> None:
    async with scene() as made:
        client, gateway = await made.asked(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % ENDLESS
        )
        gateway.reader._transport.pause_reading()  # type: ignore[attr-defined]
        tracemalloc.start()
        try:
            sent = await flooded(client)
            held = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        assert sent < ENDLESS
        assert held < HELD
        gateway.reader._transport.resume_reading()  # type: ignore[attr-defined]
        assert await gateway.exactly(sent) == b"x" * sent


async def test_a_body_waits_outside_while_there_is_no_connection_yet() -> None:
    async with scene() as made:
        connected = asyncio.Event()
        connect = made.proxy._shared.pool.connect

        async def slowly() -> object:
            await connected.wait()
            return await connect()

        made.proxy._shared.pool.connect = slowly  # type: ignore[assignment, method-assign]
        client = await made.client()
        size = 16 << 20
        client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % size)
        client.send(b"x" * size)
        await made.until(lambda: made.status.active == 1)
        (connection,) = made.proxy._shared.clients
        assert connection.held
        connected.set()
        gateway = await made.gateway.next()
        await gateway.head()
        assert await gateway.exactly(size) == b"x" * size


async def test_many_streams_run_beside_each_other() -> None:
    async with scene() as made:
        pairs = [await made.asked(GET) for _ in range(50)]
        for _, gateway in pairs:
            gateway.send(EVENTS)
        for number in range(5):
            chunk = b"2\r\n%02d\r\n" % number
            for _, gateway in pairs:
                gateway.send(chunk)
            for client, _ in pairs:
                assert (await client.until(chunk)).endswith(chunk)
        assert made.status.active == 50
        await ended(made, pairs)


async def ended(made: Scene, pairs: list[tuple[Wire, Wire]]) -> None:
    for _, gateway in pairs:
        gateway.send(b"0\r\n\r\n")
    async with asyncio.timeout(PATIENCE):
        for client, _ in pairs:
            await client.until(b"0\r\n\r\n")
    await made.ended(ProxyOutcome.ANSWERED, len(pairs))

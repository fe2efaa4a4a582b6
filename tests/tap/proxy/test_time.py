"""How long the proxy waits, in simulated time."""

from __future__ import annotations

import asyncio

import pytest

from exporter.tap.proxy import limits
from exporter.traffic import ProxyOutcome
from tests.tap.proxy.scene import GET, OK, error_of, scene

pytestmark = pytest.mark.anyio

LATE = 2 * limits.TICK
"""A deadline is noticed within so many seconds."""

POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"


async def test_a_client_that_says_nothing_at_first_is_let_go() -> None:
    async with scene() as made:
        client = await made.client()
        await made.until(lambda: made.proxy._shared.clients)
        await made.clock.advance(limits.HEAD_SECONDS + LATE)
        assert await client.rest() == b""
        assert not any(made.status.requests.values())


async def test_a_head_that_dribbles_in_is_cut_short() -> None:
    async with scene() as made:
        client = await made.client()
        for number in range(int(limits.HEAD_SECONDS / 2) - 1):
            client.send(GET[number : number + 1])
            await made.until(lambda: made.proxy._shared.clients)
            await made.clock.advance(2.0)
        assert made.proxy._shared.clients
        await made.clock.advance(2.0 + LATE)
        assert error_of(await client.rest()) == (408, "request_timeout")
        await made.ended(ProxyOutcome.REFUSED)


async def test_the_next_head_has_its_own_time() -> None:
    async with scene() as made:
        client, gateway = await made.asked()
        gateway.send(OK)
        await client.exactly(len(OK))
        await made.clock.advance(limits.IDLE_SECONDS - LATE)
        client.send(GET[:5])
        (connection,) = made.proxy._shared.clients
        await made.until(lambda: connection._reader.begun)
        await made.clock.advance(limits.HEAD_SECONDS - LATE)
        client.send(GET[5:])
        other = await made.gateway.next()  # the one before was dropped meanwhile
        other.send(OK)
        assert await client.exactly(len(OK)) == OK


async def test_an_idle_connection_is_closed_without_a_word() -> None:
    async with scene() as made:
        client, gateway = await made.asked()
        gateway.send(OK)
        await client.exactly(len(OK))
        await made.clock.advance(limits.IDLE_SECONDS + LATE)
        assert await client.rest() == b""
        await made.ended(ProxyOutcome.ANSWERED)


async def test_a_body_that_stops_coming_is_given_up() -> None:
    async with scene() as made:
        client, gateway = await made.asked(POST)
        await made.clock.advance(limits.BODY_SECONDS - LATE)
        client.send(b"abc")
        assert await gateway.exactly(3) == b"abc"
        await made.clock.advance(limits.BODY_SECONDS - LATE)
        assert made.status.active == 1
        await made.clock.advance(2 * LATE)
        assert error_of(await client.rest()) == (408, "request_timeout")
        assert await gateway.rest() == b""
        await made.ended(ProxyOutcome.CLIENT_GONE)


async def test_an_answer_may_take_minutes_to_begin_and_between_two_pieces() -> None:
    async with scene() as made:
        client, gateway = await made.asked()
        await made.clock.advance(limits.SILENCE_SECONDS - LATE)
        gateway.send(STREAM)
        await client.until(b"abc\r\n")
        for _ in range(3):
            await made.clock.advance(limits.SILENCE_SECONDS - LATE)
            gateway.send(b"3\r\nabc\r\n")
            await client.until(b"abc\r\n")
        assert made.status.active == 1


async def test_a_gateway_that_never_answers_is_a_504() -> None:
    async with scene() as made:
        client, gateway = await made.asked()
        await made.clock.advance(limits.SILENCE_SECONDS + LATE)
        assert error_of(await client.rest()) == (504, "gateway_timeout")
        assert await gateway.rest() == b""
        await made.ended(ProxyOutcome.GATEWAY_FAILED)


async def test_a_stream_that_falls_silent_for_good_is_broken_off() -> None:
    async with scene() as made:
        client, gateway = await made.asked()
        gateway.send(STREAM)
        await client.until(b"abc\r\n")
        await made.clock.advance(limits.SILENCE_SECONDS + LATE)
        assert await client.rest() == b""  # no last chunk
        assert await gateway.rest() == b""
        await made.ended(ProxyOutcome.GATEWAY_FAILED)


async def test_a_client_that_does_not_read_for_as_long_is_given_up() -> None:
    async with scene() as made:
        client, gateway = await made.asked()
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        (connection,) = made.proxy._shared.clients
        gateway.send(b"HTTP/1.1 200 OK\r\nContent-Length: 90000000\r\n\r\n" + b"x" * 30_000_000)
        await made.until(lambda: connection.full)
        await made.clock.advance(limits.SILENCE_SECONDS + LATE)
        await made.ended(ProxyOutcome.CLIENT_GONE)
        await made.clock.advance(limits.CLOSING_SECONDS + LATE)
        assert not made.proxy._shared.clients


async def test_a_connection_that_is_not_made_in_time_is_a_504(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("exporter.tap.proxy.exchange.CONNECT_SECONDS", 0.01)
    async with scene() as made:
        cancelled = asyncio.Event()

        async def never() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        made.proxy._shared.pool.connect = never  # type: ignore[assignment, method-assign]
        client = await made.client()
        client.send(GET)
        assert error_of(await client.rest()) == (504, "gateway_timeout")
        assert cancelled.is_set()
        await made.ended(ProxyOutcome.GATEWAY_FAILED)


async def test_what_is_being_connected_ends_with_the_proxy() -> None:
    async with scene() as made:
        cancelled = asyncio.Event()

        async def never() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        made.proxy._shared.pool.connect = never  # type: ignore[assignment, method-assign]
        client = await made.client()
        client.send(GET)
        await made.until(lambda: made.status.active)
        await made.proxy.stop(0.0)
        assert cancelled.is_set()
        assert await client.rest() == b""
        await made.ended(ProxyOutcome.GATEWAY_FAILED)


async def test_a_refused_client_that_stays_is_put_out() -> None:
    async with scene() as made:
        client = await made.client()
        client.send(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        await client.head()
        await made.clock.advance(limits.CLOSING_SECONDS + LATE)
        await made.until(lambda: not made.proxy._shared.clients)


async def test_slow_clients_do_not_keep_others_out() -> None:
    async with scene() as made:
        made.proxy._shared.max_connections = 20
        slow = [await made.client() for _ in range(40)]
        for client in slow:
            client.send(GET[:-2] + b"A: ")
        client, gateway = await made.asked()
        gateway.send(OK)
        assert await client.exactly(len(OK)) == OK
        assert len(made.proxy._shared.clients) <= 20

"""What an application sees when either side goes away, and that the next call works."""

from __future__ import annotations

import asyncio
import http.client
import logging
from collections.abc import Callable

import pytest

from exporter.traffic import ProxyOutcome
from tests.daemon.live import said
from tests.tap.proxy.scene import GET, OK, Wire, error_of, scene

pytestmark = pytest.mark.anyio

Break = Callable[[Wire], None]
BREAKS = pytest.mark.parametrize("leave", [Wire.close, Wire.reset], ids=["closes", "resets"])

SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc"


async def test_a_gateway_that_is_not_there_is_a_502_and_the_next_call_works_once_it_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scene(started=False) as made:
        made.gateway.close()
        port = made.gateway.port
        await made.start()
        for _ in range(3):
            client = await made.client()
            client.send(GET)
            assert error_of(await client.rest()) == (502, "gateway_unreachable")
        await made.ended(ProxyOutcome.GATEWAY_FAILED, 3)
        complaints = [r for r in caplog.records if "proxy's gateway fails" in r.getMessage()]
        assert len(complaints) == 1
        assert complaints[0].levelno == logging.WARNING
        await made.gateway.start(port)
        client, gateway = await made.asked()
        gateway.send(OK)
        assert await client.exactly(len(OK)) == OK


async def test_a_name_that_does_not_resolve_is_a_502() -> None:
    async with scene(started=False) as made:
        await made.start()

        async def unknown() -> None:
            raise OSError("no such name")

        made.proxy._shared.pool.connect = unknown  # type: ignore[assignment, method-assign]
        client = await made.client()
        client.send(GET)
        assert error_of(await client.rest()) == (502, "gateway_unreachable")


@BREAKS
async def test_a_gateway_that_leaves_before_it_answers_is_a_502(leave: Break) -> None:
    async with scene() as made:
        client, gateway = await made.asked(POST + b"123456")
        await gateway.exactly(9)
        leave(gateway)
        assert error_of(await client.rest()) == (502, "gateway_unreachable")
        await made.ended(ProxyOutcome.GATEWAY_FAILED)


@BREAKS
async def test_a_gateway_that_leaves_in_the_middle_of_its_head_is_a_502(leave: Break) -> None:
    async with scene() as made:
        client, gateway = await made.asked()
        gateway.send(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 O")
        await client.head()
        leave(gateway)
        assert error_of(await client.rest()) == (502, "gateway_unreachable")


@BREAKS
@pytest.mark.parametrize(
    "begun", [SIZED, CHUNKED, CHUNKED + b"3\r\na"], ids=["sized", "chunk", "in a chunk"]
)
async def test_an_answer_that_breaks_off_cannot_be_taken_for_a_whole_one(
    leave: Break, begun: bytes
) -> None:
    async with scene() as made:
        client, gateway = await made.asked()
        gateway.send(begun)
        await client.until(b"abc")
        leave(gateway)
        assert not (await client.rest()).endswith(b"0\r\n\r\n")
        await made.ended(ProxyOutcome.GATEWAY_FAILED)


async def test_an_answer_that_would_end_with_the_connection_is_reset_when_it_breaks_off() -> None:
    async with scene() as made:
        client, gateway = await made.asked(b"GET / HTTP/1.0\r\n\r\n")
        gateway.send(CHUNKED)
        await client.until(b"abc")
        gateway.close()
        with pytest.raises(ConnectionResetError):
            await client.rest()
        await made.ended(ProxyOutcome.GATEWAY_FAILED)


async def test_what_arrived_before_the_break_arrives() -> None:
    async with scene() as made:
        client, gateway = await made.asked()
        body = b"x" * 300_000
        gateway.send(b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + body)
        await gateway.flush()
        gateway.close()
        await client.head()
        assert await client.rest() == body


@BREAKS
@pytest.mark.parametrize("request_", [GET, POST], ids=["asked", "asking"])
async def test_a_client_that_leaves_cancels_the_gateways_call(
    leave: Break, request_: bytes
) -> None:
    async with scene() as made:
        client, gateway = await made.asked(request_)
        leave(client)
        await gateway.rest()
        await made.ended(ProxyOutcome.CLIENT_GONE)


@BREAKS
async def test_a_client_that_leaves_in_the_middle_of_a_stream_cancels_it(leave: Break) -> None:
    async with scene() as made:
        client, gateway = await made.asked()
        gateway.send(CHUNKED)
        await client.until(b"abc")
        leave(client)
        await gateway.rest()
        await made.ended(ProxyOutcome.CLIENT_GONE)


async def test_a_client_that_leaves_with_much_unread_cancels_the_gateways_call_at_once() -> None:
    async with scene() as made:
        client, gateway = await made.asked()
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        (connection,) = made.proxy._shared.clients
        gateway.send(b"HTTP/1.1 200 OK\r\nContent-Length: 90000000\r\n\r\n" + b"x" * 30_000_000)
        await made.until(lambda: connection.full)
        client.writer.write_eof()
        await made.ended(ProxyOutcome.CLIENT_GONE)
        await made.until(lambda: not made.proxy._shared.clients)


async def test_a_client_that_leaves_while_connecting_leaves_the_connection_to_the_next() -> None:
    async with scene() as made:
        go_on = asyncio.Event()
        connect = made.proxy._shared.pool.connect

        async def slowly() -> object:
            await go_on.wait()
            return await connect()

        made.proxy._shared.pool.connect = slowly  # type: ignore[assignment, method-assign]
        client = await made.client()
        client.send(GET)
        await made.until(lambda: made.status.active)
        client.close()
        await made.ended(ProxyOutcome.CLIENT_GONE)
        go_on.set()
        await made.until(lambda: made.proxy._shared.pool._idle)
        other, gateway = await made.asked()  # fails if the first request is on it as well
        gateway.send(OK)
        assert await other.exactly(len(OK)) == OK
        assert made.gateway.waiting.empty()


async def test_a_client_that_leaves_between_two_requests_is_no_event() -> None:
    async with scene() as made:
        client, gateway = await made.asked()
        gateway.send(OK)
        await client.exactly(len(OK))
        client.send(GET[:10])
        client.close()
        await made.until(lambda: not made.proxy._shared.clients)
        await made.ended(ProxyOutcome.ANSWERED)


async def test_a_real_client_sees_an_error_and_no_short_answer() -> None:
    async with scene() as made:

        async def break_off() -> None:
            gateway = await made.gateway.next()
            await gateway.head()
            gateway.send(CHUNKED)
            await asyncio.sleep(0)
            gateway.close()

        breaking = asyncio.create_task(break_off())
        host, port = made.proxy.address.split(":")

        def ask() -> bytes:
            connection = http.client.HTTPConnection(host, int(port), timeout=10)
            connection.request("GET", "/")
            try:
                return connection.getresponse().read()
            finally:
                connection.close()

        with pytest.raises(http.client.IncompleteRead):
            await asyncio.to_thread(ask)
        await breaking


async def test_nothing_of_a_request_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with scene() as made:
        client, gateway = await made.asked(
            b"GET /secret-path HTTP/1.1\r\nHost: localhost\r\nx-api-key: sk-byts-secretkey\r\n\r\n"
        )
        gateway.send(b"nonsense secret-answer\r\n\r\n")
        await client.rest()
    assert not said(caplog, "secret")

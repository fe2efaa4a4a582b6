"""Connections that are used again, on both sides, and when they must not be."""

from __future__ import annotations

import socket

import pytest

from exporter.tap.proxy.limits import KEPT_SECONDS, MAX_KEPT
from exporter.traffic import ProxyOutcome
from tests.tap.proxy.scene import GET, OK, Scene, Wire, error_of, scene

pytestmark = pytest.mark.anyio

POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nok"
EMPTY_POST = b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n"
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"


async def answered(made: Scene, request: bytes = GET, answer: bytes = OK) -> tuple[Wire, Wire]:
    client, gateway = await made.asked(request)
    gateway.send(answer)
    await client.exactly(len(OK))
    return client, gateway


async def test_connections_of_different_clients_share_those_to_the_gateway() -> None:
    async with scene() as made:
        _, gateway = await answered(made)
        other = await made.client()
        other.send(GET)
        await gateway.head()
        gateway.send(OK)
        assert await other.exactly(len(OK)) == OK


async def test_a_connection_that_the_gateway_announces_to_close_is_not_kept() -> None:
    async with scene() as made:
        client, _ = await answered(made, answer=CLOSING)
        client.send(GET)
        await (await made.gateway.next()).head()


async def test_a_client_that_wants_no_more_is_let_go() -> None:
    async with scene() as made:
        client, gateway = await made.asked(GET[:-2] + b"Connection: close\r\n\r\n")
        gateway.send(OK)
        assert await client.rest() == (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
        )


async def test_idle_connections_to_the_gateway_are_dropped_in_time() -> None:
    async with scene() as made:
        _, gateway = await answered(made)
        await made.clock.advance(KEPT_SECONDS + 2)
        assert await gateway.rest() == b""


async def test_no_more_idle_connections_are_kept_than_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("exporter.tap.proxy.pool.MAX_KEPT", 2)
    assert MAX_KEPT > 2
    async with scene() as made:
        pairs = [await made.asked() for _ in range(4)]
        for client, gateway in pairs:
            gateway.send(OK)
            await client.exactly(len(OK))
        assert [await gateway.rest() for _, gateway in pairs[2:]] == [b"", b""]
        assert len(made.proxy._shared.pool._idle) == 2


@pytest.mark.parametrize("request_", [GET, POST])
async def test_a_connection_that_was_closed_while_idle_is_not_tried(request_: bytes) -> None:
    async with scene() as made:
        client, gateway = await answered(made)
        gateway.close()
        await made.until(lambda: not made.proxy._shared.pool._idle)
        client.send(request_)
        other = await made.gateway.next()
        await other.head()
        other.send(OK)
        assert await client.exactly(len(OK)) == OK


async def test_a_connection_that_was_closed_this_very_moment_is_not_tried_either() -> None:
    async with scene() as made:
        _, gateway = await answered(made)
        pool = made.proxy._shared.pool
        gateway.writer.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        assert pool._idle  # nobody has noticed
        assert pool.take() is None


async def test_what_the_gateway_sends_unasked_ends_the_idle_connection() -> None:
    async with scene() as made:
        client, gateway = await answered(made)
        gateway.send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        assert await gateway.rest() == b""
        client.send(GET)
        other = await made.gateway.next()
        other.send(OK)
        assert await client.exactly(len(OK)) == OK


async def test_a_request_that_changes_nothing_is_sent_again_when_a_kept_connection_breaks() -> None:
    async with scene() as made:
        client, gateway = await answered(made)
        client.send(GET)
        await gateway.head()
        gateway.reset()
        other = await made.gateway.next()
        assert (await other.head()).startswith(b"GET /v1/x ")
        other.reset()  # and only once
        assert error_of(await client.rest()) == (502, "gateway_unreachable")
        assert made.gateway.waiting.empty()
        assert made.status.requests[ProxyOutcome.GATEWAY_FAILED] == 1


@pytest.mark.parametrize("request_", [POST, EMPTY_POST])
async def test_a_request_that_may_have_been_carried_out_is_never_sent_again(
    request_: bytes,
) -> None:
    async with scene() as made:
        client, gateway = await answered(made)
        client.send(request_)
        await gateway.head()
        gateway.reset()
        assert error_of(await client.rest()) == (502, "gateway_unreachable")
        assert made.gateway.waiting.empty()


async def test_a_request_is_not_sent_again_once_something_of_an_answer_was_passed_on() -> None:
    async with scene() as made:
        client, gateway = await answered(made)
        client.send(GET)
        await gateway.head()
        gateway.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
        await client.until(b"abc")
        gateway.reset()
        assert await client.rest() == b""
        assert made.gateway.waiting.empty()


async def test_pipelined_requests_are_served_one_at_a_time_and_in_order() -> None:
    async with scene() as made:
        requests = [b"GET /%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % n for n in range(50)]
        requests[7] = b"POST /7 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
        client = await made.client()
        client.send(b"".join(requests))
        gateway = await made.gateway.next()
        for number in range(50):
            assert b" /%d HTTP" % number in await gateway.head()
            if number == 7:
                assert await gateway.exactly(3) == b"abc"
            assert made.status.active == 1
            assert not gateway.reader._buffer  # type: ignore[attr-defined]
            gateway.send(OK)
            assert await client.exactly(len(OK)) == OK
        await made.ended(ProxyOutcome.ANSWERED, 50)


async def test_a_flood_of_pipelined_requests_waits_outside() -> None:
    async with scene() as made:
        client, gateway = await made.asked()
        flood = GET * 200_000
        client.send(flood)
        (connection,) = made.proxy._shared.clients
        await made.until(lambda: connection.held)
        assert len(connection._rest) < 3 * 65_536
        gateway.send(OK)
        assert await client.exactly(len(OK)) == OK
        await gateway.head()


async def test_what_follows_a_chunked_request_at_once_has_to_be_sent_again() -> None:
    async with scene() as made:
        client = await made.client()
        chunked = (
            b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        )
        client.send(chunked + GET)
        gateway = await made.gateway.next()
        await gateway.head()
        gateway.send(OK)
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
        assert await client.rest() == head
        await made.ended(ProxyOutcome.ANSWERED)

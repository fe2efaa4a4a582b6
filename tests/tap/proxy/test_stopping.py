"""Starting, stopping, and another gateway in between."""

from __future__ import annotations

import asyncio

import pytest

from exporter.config.types import Listen
from exporter.errors import ListenError
from exporter.tap.proxy import ProxyTarget
from exporter.traffic import ProxyOutcome
from tests.tap.proxy.scene import GET, OK, Gateway, scene

pytestmark = pytest.mark.anyio

STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
GRACE = 5.0


async def test_what_is_under_way_is_answered_before_the_proxy_stops() -> None:
    async with scene() as made:
        client, gateway = await made.asked()
        idle = await made.client()
        await made.until(lambda: len(made.proxy._shared.clients) == 2)
        address = made.proxy.address.split(":")
        stopping = asyncio.create_task(made.proxy.stop(GRACE))
        await asyncio.sleep(0)
        assert await idle.rest() == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(address[0], int(address[1]))
        assert not stopping.done()
        gateway.send(OK)
        assert await client.rest() == (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
        )
        await asyncio.wait_for(stopping, 5)
        assert await gateway.rest() == b""
        await made.ended(ProxyOutcome.ANSWERED)


async def test_a_stream_that_does_not_end_in_time_is_cut_off(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scene() as made:
        client, gateway = await made.asked()
        gateway.send(STREAM)
        await client.head()
        stopping = asyncio.create_task(made.proxy.stop(GRACE))
        await made.clock.advance(GRACE - 0.1)
        assert not stopping.done()
        await made.clock.advance(0.2)
        await asyncio.wait_for(stopping, 5)
        assert await client.rest() == b""
        assert await gateway.rest() == b""
        await made.ended(ProxyOutcome.GATEWAY_FAILED)
    assert [record.getMessage() for record in caplog.records] == [
        "The proxy stops and cuts off 1 request(s) that were under way"
    ]


async def test_a_half_sent_request_may_be_finished_while_the_proxy_stops() -> None:
    async with scene() as made:
        client = await made.client()
        client.send(GET[:9])
        await made.until(lambda: any(c._reader.begun for c in made.proxy._shared.clients))
        stopping = asyncio.create_task(made.proxy.stop(GRACE))
        await asyncio.sleep(0)
        client.send(GET[9:])
        gateway = await made.gateway.next()
        gateway.send(OK)
        assert (await client.rest()).endswith(b"ok")
        await asyncio.wait_for(stopping, 5)


async def test_without_grace_everything_ends_at_once() -> None:
    async with scene() as made:
        client, gateway = await made.asked()
        await asyncio.wait_for(made.proxy.stop(0.0), 5)
        assert await client.rest() == b""
        assert await gateway.rest() == b""
        await made.ended(ProxyOutcome.GATEWAY_FAILED)
        await made.proxy.stop(0.0)  # may be repeated


async def test_the_next_start_gets_the_same_port_although_connections_were_cut_off() -> None:
    async with scene() as made:
        _, port = made.proxy.address.split(":")
        for _ in range(3):
            client, gateway = await made.asked()
            gateway.send(STREAM)
            await client.head()
            await made.proxy.stop(0.0)
            await made.start(listen=Listen("127.0.0.1", int(port)))


async def test_an_address_in_use_names_the_setting_to_change() -> None:
    async with scene() as made:
        _, port = made.proxy.address.split(":")
        async with scene(started=False) as other:
            with pytest.raises(ListenError, match=r"set tap\.proxy\.listen to a free address"):
                await other.start(listen=Listen("127.0.0.1", int(port)))
            with pytest.raises(RuntimeError):
                _ = other.proxy.address


async def test_another_gateway_is_asked_from_now_on_and_streams_go_on() -> None:
    async with scene() as made:
        kept, idle = await made.asked()
        idle.send(OK)
        await kept.exactly(len(OK))
        other = await Gateway().start()
        streaming = await made.client()
        streaming.send(GET)
        await idle.head()
        idle.send(STREAM)
        await streaming.head()
        made.proxy.retarget(ProxyTarget(f"http://127.0.0.1:{other.port}/new"))
        kept.send(GET)
        asked = await other.next()
        assert (await asked.head()).startswith(b"GET /new/v1/x ")
        asked.send(OK)
        assert await kept.exactly(len(OK)) == OK
        idle.send(b"1\r\nx\r\n0\r\n\r\n")
        assert await streaming.until(b"0\r\n\r\n") == b"1\r\nx\r\n0\r\n\r\n"
        assert await idle.rest() == b""  # nobody will ask it again
        other.close()


async def test_ipv6_has_an_address_too() -> None:
    async with scene(listen=Listen("::1", 0)) as made:
        assert made.proxy.address.startswith("[::1]:")
        client, gateway = await made.asked(
            b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % made.proxy.address.encode()
        )
        gateway.send(OK)
        assert await client.exactly(len(OK)) == OK

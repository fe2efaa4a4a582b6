"""However requests end, and in whatever order, each is counted once and none stays active."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.tap.proxy.limits import BODY_SECONDS, SILENCE_SECONDS
from exporter.traffic import ProxyOutcome
from tests.tap.proxy.scene import GET, OK, Scene, Wire, scene

POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
End = Callable[[Scene, Wire, Wire], Awaitable[None]]


async def answered(made: Scene, client: Wire, gateway: Wire) -> None:
    client.send(b"ok")
    gateway.send(OK)
    await client.head()


async def early(made: Scene, client: Wire, gateway: Wire) -> None:
    gateway.send(OK)
    await client.rest()


async def streamed(made: Scene, client: Wire, gateway: Wire) -> None:
    client.send(b"ok")
    gateway.send(STREAM + b"0\r\n\r\n")
    await client.until(b"0\r\n\r\n")


async def until_closed(made: Scene, client: Wire, gateway: Wire) -> None:
    gateway.send(b"HTTP/1.0 200 OK\r\n\r\nx")
    gateway.close()
    await client.until(b"0\r\n\r\n")


async def client_resets(made: Scene, client: Wire, gateway: Wire) -> None:
    client.reset()


async def client_leaves_a_stream(made: Scene, client: Wire, gateway: Wire) -> None:
    gateway.send(STREAM)
    await client.until(b"x\r\n")
    client.close()


async def gateway_resets(made: Scene, client: Wire, gateway: Wire) -> None:
    gateway.reset()
    await client.rest()


async def gateway_leaves_a_stream(made: Scene, client: Wire, gateway: Wire) -> None:
    gateway.send(STREAM)
    await client.until(b"x\r\n")
    gateway.close()
    await client.rest()


async def nonsense(made: Scene, client: Wire, gateway: Wire) -> None:
    gateway.send(b"nonsense\r\n\r\n")
    await client.rest()


async def both_leave(made: Scene, client: Wire, gateway: Wire) -> None:
    gateway.send(STREAM + b"nonsense\r\n")
    gateway.close()
    client.reset()


async def time_passes(made: Scene, client: Wire, gateway: Wire) -> None:
    await made.clock.advance(max(BODY_SECONDS, SILENCE_SECONDS) + 5)
    await client.rest()


async def bad_chunk(made: Scene, client: Wire, gateway: Wire) -> None:
    client.send(b"nonsense")
    await client.rest()


OUTCOMES: list[tuple[bytes, End, set[ProxyOutcome]]] = [
    (POST, answered, {ProxyOutcome.ANSWERED}),
    (POST, early, {ProxyOutcome.ANSWERED}),
    (POST, streamed, {ProxyOutcome.ANSWERED}),
    (GET, until_closed, {ProxyOutcome.ANSWERED}),
    (GET, client_resets, {ProxyOutcome.CLIENT_GONE}),
    (POST, client_resets, {ProxyOutcome.CLIENT_GONE}),
    (POST, client_leaves_a_stream, {ProxyOutcome.CLIENT_GONE}),
    (GET, gateway_resets, {ProxyOutcome.GATEWAY_FAILED}),
    (POST, gateway_leaves_a_stream, {ProxyOutcome.GATEWAY_FAILED}),
    (GET, nonsense, {ProxyOutcome.GATEWAY_FAILED}),
    (GET, both_leave, {ProxyOutcome.GATEWAY_FAILED, ProxyOutcome.CLIENT_GONE}),
    (GET, time_passes, {ProxyOutcome.GATEWAY_FAILED}),
    (POST, time_passes, {ProxyOutcome.CLIENT_GONE}),
    (CHUNKED, bad_chunk, {ProxyOutcome.REFUSED}),
]


@given(st.lists(st.sampled_from(range(len(OUTCOMES))), min_size=1, max_size=6), st.booleans())
@settings(max_examples=50)
def test_every_request_is_counted_once_and_none_stays_active(ends: list[int], stop: bool) -> None:
    async def run() -> None:
        async with scene() as made:
            made.proxy._shared.pool.retire()  # each request gets a connection of its own
            for number, which in enumerate(ends):
                request, end, outcomes = OUTCOMES[which]
                before = dict(made.status.requests)
                client, gateway = await made.asked(request)
                assert made.status.active == 1
                await end(made, client, gateway)
                await made.until(lambda: not made.status.active)
                grown = {o for o in ProxyOutcome if made.status.requests[o] > before[o]}
                assert len(grown) == 1
                assert grown <= outcomes
                assert sum(made.status.requests.values()) == number + 1
            if stop:
                await made.asked()
                await made.proxy.stop(0.0)
                assert sum(made.status.requests.values()) == len(ends) + 1
            assert made.status.active == 0

    asyncio.run(run())

"""Where messages end: for every kind of answer, and for clients of either version."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.traffic import ProxyOutcome
from tests.tap.proxy.scene import GET, OK, error_of, scene

pytestmark = pytest.mark.anyio

OLD = b"GET / HTTP/1.0\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n"
EXPECTING = (
    b"POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
)
OLD_KEPT = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n"
CHUNKED_POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (HEAD, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
        (HEAD, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        (GET, b"HTTP/1.1 204 No Content\r\nA: 1\r\n\r\n"),
        (GET, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"),
        (GET, b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"),
        (GET, b"HTTP/1.1 500 Oh no\r\nContent-Length: 3\r\n\r\nBad"),
        (GET, CHUNKED),
    ],
)
async def test_an_answer_ends_where_it_ends_and_both_connections_are_used_again(
    request_: bytes, answer: bytes
) -> None:
    async with scene() as made:
        client, gateway = await made.asked(request_)
        for _ in range(3):
            gateway.send(answer)
            assert sorted(await client.exactly(len(answer))) == sorted(answer)
            client.send(request_)
            await gateway.head()
        assert made.gateway.waiting.empty()


async def test_a_chunk_keeps_its_size_and_trailers_their_place() -> None:
    async with scene() as made:
        client, gateway = await made.asked()
        gateway.send(CHUNKED)
        assert await client.exactly(len(CHUNKED)) == CHUNKED


async def test_trailers_cannot_say_how_the_message_is_framed_or_addressed() -> None:
    async with scene() as made:
        client, gateway = await made.asked(CHUNKED_POST)
        client.send(b"0\r\nHost: evil\r\nConnection: x\r\nTE: x\r\nX-Sum: 1\r\n\r\n")
        assert await gateway.head() == b"0\r\nX-Sum: 1\r\n\r\n"


async def test_each_request_has_trailers_of_its_own() -> None:
    async with scene() as made:
        client, gateway = await made.asked(CHUNKED_POST)
        for number in range(3):
            end = b"0\r\nX-Number: %d\r\n\r\n" % number
            client.send(end)
            assert await gateway.exactly(len(end)) == end
            answer = CHUNKED.replace(b"T: 1", b"T: %d" % number)
            gateway.send(answer)
            assert await client.exactly(len(answer)) == answer
            client.send(CHUNKED_POST)
            await gateway.head()


@pytest.mark.parametrize(
    ("ending", "passed"),
    [(OLD, b""), (GET, b"Transfer-Encoding: chunked\r\n")],
)
async def test_an_answer_that_ends_with_the_connection_ends_there(
    ending: bytes, passed: bytes
) -> None:
    async with scene() as made:
        client, gateway = await made.asked(ending)
        gateway.send(b"HTTP/1.0 200 OK\r\nA: 1\r\n\r\nabc")
        head = await client.head()
        assert head == b"HTTP/1.1 200 OK\r\nA: 1\r\n%b%b\r\n" % (
            passed,
            b"" if passed else b"Connection: close\r\n",
        )
        body = b"3\r\nabc\r\n" if passed else b"abc"
        assert await client.exactly(len(body)) == body
        gateway.close()
        if passed:
            assert await client.until(b"0\r\n\r\n") == b"0\r\n\r\n"
        else:
            assert await client.rest() == b""
        await made.ended(ProxyOutcome.ANSWERED)


async def test_an_old_client_gets_chunks_as_a_plain_body_that_ends_with_the_connection() -> None:
    async with scene() as made:
        client, gateway = await made.asked(OLD)
        gateway.send(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + CHUNKED)
        assert await client.rest() == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc"


async def test_an_old_client_may_keep_its_connection() -> None:
    async with scene() as made:
        client, gateway = await made.asked(OLD_KEPT)
        for _ in range(2):
            gateway.send(OK)
            head = await client.head()
            assert head == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n"
            assert await client.exactly(2) == b"ok"
            client.send(OLD_KEPT)
            await gateway.head()


async def test_a_client_that_expects_100_continue_gets_the_gateways() -> None:
    async with scene() as made:
        client, gateway = await made.asked(EXPECTING)
        gateway.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert await client.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"ok")
        assert await gateway.exactly(2) == b"ok"
        gateway.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK)
        assert await client.head() == b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        assert await client.exactly(len(OK)) == OK
        await made.ended(ProxyOutcome.ANSWERED)


async def test_an_answer_before_the_requests_end_is_passed_on_and_ends_the_connection() -> None:
    async with scene() as made:
        client, gateway = await made.asked(EXPECTING)
        gateway.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        head = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        assert await client.rest() == head
        assert await gateway.rest() == b""
        client.send(b"ok" * 100_000)  # thrown away: it must not make the system drop the answer
        await client.flush()
        await made.ended(ProxyOutcome.ANSWERED)


async def test_a_clients_wish_for_http_2_is_left_unheard_and_its_body_is_not_lost() -> None:
    async with scene() as made:
        client = await made.client()
        upgrade = (
            b"Host: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
            b"HTTP2-Settings: AAM\r\n"
        )
        client.send(b"POST /1 HTTP/1.1\r\n%bContent-Length: 5\r\n\r\nhello" % upgrade)
        gateway = await made.gateway.next()
        assert b"pgrade" not in (head := await gateway.head())
        assert b"HTTP2" not in head
        assert await gateway.exactly(5) == b"hello"
        gateway.send(OK)
        await client.exactly(len(OK))
        chunks = b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
        client.send(b"POST /2 HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n" % upgrade)
        client.send(chunks)
        assert (await gateway.head()).startswith(b"POST /2 ")
        assert await gateway.exactly(len(chunks)) == chunks
        gateway.send(OK)
        await client.exactly(len(OK))
        client.send(b"GET /3 HTTP/1.1\r\n%b\r\n" % upgrade)
        assert (await gateway.head()).startswith(b"GET /3 ")
        gateway.send(OK)
        await client.exactly(len(OK))
        client.send(GET)
        assert (await gateway.head()).startswith(b"GET /v1/x ")


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: 1\r\n" * 300 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"1" * 70_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
    ],
)
async def test_an_answer_that_is_not_http_is_a_502_that_says_so(answer: bytes) -> None:
    async with scene() as made:
        client, gateway = await made.asked()
        gateway.send(answer)
        assert error_of(await client.rest()) == (502, "gateway_bad_answer")
        await made.ended(ProxyOutcome.GATEWAY_FAILED)


async def test_what_comes_behind_an_answer_is_for_nobody() -> None:
    async with scene() as made:
        client, gateway = await made.asked()
        gateway.send(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        assert await client.exactly(len(OK)) == OK
        client.send(GET)
        other = await made.gateway.next()
        await other.head()
        other.send(OK)
        assert await client.exactly(len(OK)) == OK
        await made.ended(ProxyOutcome.ANSWERED, 2)


async def test_endless_trailers_end() -> None:
    async with scene() as made:
        client, gateway = await made.asked()
        gateway.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: ")
        await client.head()
        gateway.send(b"1" * 200_000)
        assert await client.rest() == b""
        await made.ended(ProxyOutcome.GATEWAY_FAILED)


ANSWERS = (
    OK,
    CHUNKED,
    b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9\r\n\r\ndata: {}\n",
)


@given(
    st.sampled_from(ANSWERS), st.integers(0, 200), st.integers(0, 5), st.binary(max_size=20),
    st.sampled_from([GET, HEAD, OLD]), st.lists(st.integers(0, 200), max_size=5),
)  # fmt: skip
@settings(max_examples=150)
def test_whatever_the_gateway_sends_the_request_ends_once(
    answer: bytes, at: int, gone: int, noise: bytes, request_: bytes, cuts: list[int]
) -> None:
    at %= len(answer) + 1
    sent = answer[:at] + noise + answer[at + gone :]

    async def run() -> None:
        async with scene() as made:
            client, gateway = await made.asked(request_)
            for begin, end in pairwise([0, *sorted(cuts), len(sent)]):
                gateway.send(sent[begin:end])
                await asyncio.sleep(0)
            gateway.close()
            with suppress(ConnectionResetError):
                came = await asyncio.wait_for(client.reader.read(65_536), 5)
                assert came == b"" or came.startswith(b"HTTP/1.1 ")
            await made.until(lambda: not made.status.active)
            assert sum(made.status.requests.values()) == 1

    asyncio.run(run())

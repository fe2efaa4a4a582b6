"""What is not passed on, and what the application is told instead."""

from __future__ import annotations

import pytest

from exporter.config.types import Listen
from exporter.traffic import ProxyOutcome
from tests.tap.proxy.scene import GET, OK, error_of, scene

pytestmark = pytest.mark.anyio

HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

SMUGGLING = {
    "both framings": HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both framings, the other way": HEAD
    + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "two equal lengths": HEAD + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "a list of lengths": HEAD + b"Content-Length: 3, 3\r\n\r\nabc",
    "a signed length": HEAD + b"Content-Length: +3\r\n\r\nabc",
    "a negative length": HEAD + b"Content-Length: -3\r\n\r\n",
    "a hexadecimal length": HEAD + b"Content-Length: 0x3\r\n\r\nabc",
    "an empty length": HEAD + b"Content-Length:\r\n\r\n",
    "an absurd length": HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "another coding": HEAD + b"Transfer-Encoding: gzip\r\n\r\n",
    "a coding more": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "the coding twice": HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "the coding in two headers": HEAD
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "almost the coding": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a tab of another kind": HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "the coding in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a folded header": HEAD + b"A: b\r\n c\r\n\r\n",
    "a folded coding": HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": HEAD + b"Content-Length : 3\r\n\r\nabc",
    "a header that begins with a space": b"POST / HTTP/1.1\r\n Host: localhost\r\n\r\n",
    "no name": HEAD + b": x\r\n\r\n",
    "no colon": HEAD + b"abc\r\n\r\n",
    "a NUL": HEAD + b"A: b\x00c\r\n\r\n",
    "a bare CR": HEAD + b"A: b\rC: d\r\n\r\n",
    "a bare LF": HEAD + b"A: b\nC: d\r\n\r\n",
    "only LFs": HEAD.replace(b"\r\n", b"\n") + b"\n",
    "two hosts": HEAD + b"Host: localhost\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\nA: b\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "a target that is no path": b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a target of another scheme": b"GET ftp://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a NUL in the target": b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a tab for a space": b"GET\t/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40,
}
BAD_CHUNKS = {
    "a negative size": b"-1\r\n",
    "a prefixed size": b"0x3\r\nabc\r\n",
    "no size": b"\r\n",
    "a size that is none": b"g\r\n",
    "a size too large": b"fffffffffffffffff\r\n",
    "a space before the size": b" 3\r\nabc\r\n",
    "a space after the size": b"3 \r\nabc\r\n",
    "a bare LF after the size": b"3\nabc\r\n0\r\n\r\n",
    "a bare LF after an extension": b"3;a\nabc\r\n0\r\n\r\n",
    "more than the size": b"3\r\nabcd\r\n0\r\n\r\n",
    "nothing after the data": b"3\r\nabc0\r\n\r\n",
    "a length among the trailers": b"0\r\nContent-Length: 3\r\n\r\n",
    "a folded trailer": b"0\r\nA: b\r\n c\r\n\r\n",
}


@pytest.mark.parametrize("request_", SMUGGLING.values(), ids=SMUGGLING)
async def test_what_two_readers_could_read_differently_is_refused_before_the_gateway_hears_of_it(
    request_: bytes,
) -> None:
    async with scene() as made:
        client = await made.client()
        client.send(request_)
        status, kind = error_of(await client.rest())
        assert (status, kind) in {
            (400, "bad_request"),
            (501, "unknown_method"),
            (505, "unknown_version"),
        }
        assert made.gateway.all == []
        await made.ended(ProxyOutcome.REFUSED)


@pytest.mark.parametrize("chunks", BAD_CHUNKS.values(), ids=BAD_CHUNKS)
async def test_a_body_whose_chunks_are_wrong_is_refused_and_the_gateways_call_cancelled(
    chunks: bytes,
) -> None:
    async with scene() as made:
        client, gateway = await made.asked(CHUNKED)
        client.send(chunks)
        assert error_of(await client.rest()) == (400, "bad_request")
        assert b"0\r\n\r\n" not in await gateway.rest()  # it never looks complete
        await made.ended(ProxyOutcome.REFUSED)


async def test_a_smuggled_request_never_reaches_the_gateway_as_one() -> None:
    async with scene() as made:
        hidden = b"GET /admin HTTP/1.1\r\nHost: localhost\r\n\r\n"
        client = await made.client()
        client.send(HEAD + b"Content-Length: %d\r\n\r\n" % len(hidden) + hidden)
        gateway = await made.gateway.next()
        assert b"Content-Length: %d\r\n" % len(hidden) in await gateway.head()
        assert await gateway.exactly(len(hidden)) == hidden  # a body, and framed as one
        gateway.send(OK)
        await client.exactly(len(OK))
        await made.ended(ProxyOutcome.ANSWERED)


@pytest.mark.parametrize(
    "host",
    [b"localhost", b"LOCALHOST:1", b"app.localhost.", b"127.0.0.1:8788", b"127.9.9.9", b"[::1]:80",
     b"llm.example", b"LLM.example:443", b"fe80::1"],
)  # fmt: skip
async def test_the_proxy_answers_to_its_own_names(host: bytes) -> None:
    async with scene(allow_hosts=("llm.example", "fe80::1")) as made:
        client = await made.client()
        client.send(b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % host)
        gateway = await made.gateway.next()
        gateway.send(OK)
        assert await client.exactly(len(OK)) == OK


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost:80@evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 0x7f.1\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://localhost@evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://localhost/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 9\r\n\r\n",
    ],
)
async def test_a_request_for_anybody_else_is_misdirected(request_: bytes) -> None:
    async with scene() as made:
        client = await made.client()
        client.send(request_)
        assert error_of(await client.rest()) == (421, "wrong_host")
        assert made.gateway.all == []
        await made.ended(ProxyOutcome.REFUSED)


async def test_a_name_that_is_none_allows_none() -> None:
    async with scene(allow_hosts=("not:a:name:x", "", "a:b")) as made:
        client = await made.client()
        client.send(b"GET / HTTP/1.1\r\nHost: evil.example:x\r\n\r\n")
        assert error_of(await client.rest()) == (421, "wrong_host")


async def test_on_all_addresses_the_one_that_was_called_is_a_name_of_the_proxy() -> None:
    async with scene(listen=Listen("0.0.0.0", 0)) as made:
        client, gateway = await made.asked(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        gateway.send(OK)
        assert await client.exactly(len(OK)) == OK


async def test_no_tunnel_is_opened() -> None:
    async with scene() as made:
        client = await made.client()
        client.send(b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n")
        answer = await client.rest()
        assert error_of(answer) == (405, "no_tunnel")
        assert b"\r\nAllow: " in answer
        await made.ended(ProxyOutcome.REFUSED)


@pytest.mark.parametrize(
    "head",
    [
        GET[:-2] + b"A: " + b"b" * 66_000,
        GET[:-2] + b"A: b\r\n" * 300 + b"\r\n",
        b"GET /" + b"b" * 70_000,
        b"\r\n" * 40_000,
    ],
    ids=["bytes", "headers", "target", "empty lines"],
)
async def test_a_head_that_is_too_large_is_refused(head: bytes) -> None:
    async with scene() as made:
        client = await made.client()
        client.send(head)
        assert error_of(await client.rest()) == (431, "head_too_large")
        await made.ended(ProxyOutcome.REFUSED)


async def test_the_largest_head_that_is_allowed_passes() -> None:
    async with scene() as made:
        client = await made.client()
        fill = b"b" * (65_536 - len(GET) - 5)
        client.send(GET[:-2] + b"A: " + fill + b"\r\n\r\n")
        gateway = await made.gateway.next()
        assert fill in await gateway.head()


async def test_endless_trailers_and_chunk_extensions_end() -> None:
    for endless in (b"0\r\nA: ", b"3;a="):
        async with scene() as made:
            client, _ = await made.asked(CHUNKED)
            client.send(endless + b"b" * 140_000)
            assert error_of(await client.rest()) == (400, "bad_request")
            await made.ended(ProxyOutcome.REFUSED)


async def test_the_answer_to_a_refused_head_request_has_no_body() -> None:
    async with scene() as made:
        client = await made.client()
        client.send(b"HEAD / HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        answer = await client.rest()
        assert answer.startswith(b"HTTP/1.1 421 Misdirected Request\r\n")
        assert answer.endswith(b"\r\n\r\n")


async def test_the_answer_survives_a_body_that_nobody_reads() -> None:
    async with scene() as made:
        client = await made.client()
        client.send(b"POST / HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 9000000\r\n\r\n")
        client.send(b"x" * 1_000_000)
        assert error_of(await client.rest()) == (421, "wrong_host")


async def test_the_connection_that_is_idle_longest_makes_room() -> None:
    async with scene() as made:
        made.proxy._shared.max_connections = 3
        first, gateway = await made.asked()
        idle = [await made.client(), await made.client()]
        await made.until(lambda: len(made.proxy._shared.clients) == 3)
        newest = await made.client()
        assert await idle[0].rest() == b""
        gateway.send(OK)
        assert await first.exactly(len(OK)) == OK
        newest.send(GET)
        await gateway.head()


async def test_without_an_idle_connection_a_new_one_is_refused() -> None:
    async with scene() as made:
        made.proxy._shared.max_connections = 2
        busy = [await made.asked(), await made.asked()]
        client = await made.client()
        client.send(GET)
        assert error_of(await client.rest()) == (503, "too_many_connections")
        client.close()
        assert made.status.requests[ProxyOutcome.REFUSED] == 1
        for asking, gateway in busy:
            gateway.send(OK)
            assert await asking.exactly(len(OK)) == OK


async def test_what_is_refused_is_told_once_for_each_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scene() as made:
        for request in (GET.replace(b"localhost", b"x.example"), SMUGGLING["TLS"]) * 3:
            client = await made.client()
            client.send(request)
            await client.rest()
        await made.ended(ProxyOutcome.REFUSED, 6)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert "tap.proxy.allow_hosts" in told[0]
    assert told[1].startswith("The proxy refuses a request: ")

"""What one side sends, the other gets: byte for byte but for what concerns one connection only."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.traffic import ProxyOutcome
from tests.tap.proxy.scene import GET, OK, Wire, scene

pytestmark = pytest.mark.anyio


async def test_a_request_and_its_answer_pass_unchanged() -> None:
    async with scene() as made:
        client = await made.client()
        client.send(
            b"POST /v1/Chat?q=%20&x HTTP/1.1\r\nHOST: localhost:1\r\nx-Api-KEY: k\r\n"
            b"Authorization: Bearer  z\r\nX-Empty:\r\nX-B: \xff\xc3\r\nContent-Length: 5\r\n"
            b"X-B: 2\r\n\r\nhello"
        )
        gateway = await made.gateway.next()
        assert await gateway.head() == (
            b"POST /v1/Chat?q=%%20&x HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nx-Api-KEY: k\r\n"
            b"Authorization: Bearer  z\r\nX-Empty: \r\nX-B: \xff\xc3\r\nContent-Length: 5\r\n"
            b"X-B: 2\r\n\r\n" % made.gateway.port
        )
        assert await gateway.exactly(5) == b"hello"
        answer = (
            b"HTTP/1.1 418 I'm  a \xc3\xa4 teapot\r\nSet-Cookie: a\r\nserver: X\r\n"
            b"Set-Cookie: b\r\nContent-Length: 3\r\n\r\n\x00\xff\n"
        )
        gateway.send(answer)
        assert await client.exactly(len(answer)) == answer
        await made.ended(ProxyOutcome.ANSWERED)


async def test_what_concerns_one_connection_stays_behind() -> None:
    async with scene() as made:
        client = await made.client()
        client.send(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, X-Mine, close\r\n"
            b"Keep-Alive: timeout=5\r\nx-mine: 1\r\nProxy-Connection: keep-alive\r\n"
            b"Proxy-Authorization: secret\r\nTE: gzip, trailers\r\nUpgrade: h2c\r\nA: 1\r\n\r\n"
        )
        gateway = await made.gateway.next()
        assert await gateway.head() == (
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nA: 1\r\n"
            b"TE: trailers\r\nConnection: TE\r\n\r\n" % made.gateway.port
        )
        gateway.send(
            b"HTTP/1.1 200 OK\r\nConnection: x-theirs\r\nX-Theirs: 1\r\nKeep-Alive: timeout=5\r\n"
            b"Proxy-Authenticate: Basic\r\nUpgrade: h2c\r\nB: 2\r\nContent-Length: 0\r\n\r\n"
        )
        assert await client.rest() == (
            b"HTTP/1.1 200 OK\r\nB: 2\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )


async def test_headers_that_a_request_cannot_do_without_cannot_be_listed_away() -> None:
    async with scene() as made:
        client = await made.client()
        client.send(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
            b"Connection: content-length, host, connection\r\n\r\nok"
        )
        gateway = await made.gateway.next()
        assert b"Content-Length: 2\r\n" in await gateway.head()
        assert await gateway.exactly(2) == b"ok"


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        (b"/v1", b"/base/v1"),
        (b"//v1/../x", b"/base//v1/../x"),
        (b"http://localhost/v1?a=http://b/", b"/base/v1?a=http://b/"),
        (b"HTTP://127.0.0.1:99", b"/base/"),
        (b"http://localhost?a", b"/base/?a"),
    ],
)
async def test_the_path_of_the_base_url_comes_first(target: bytes, sent: bytes) -> None:
    async with scene(prefix="/base/") as made:
        client = await made.client()
        client.send(b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % target)
        gateway = await made.gateway.next()
        assert (await gateway.head()).startswith(b"GET %b HTTP/1.1\r\n" % sent)


async def test_a_question_about_the_gateway_as_a_whole_has_no_path() -> None:
    async with scene(prefix="/base") as made:
        client = await made.client()
        client.send(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n")
        gateway = await made.gateway.next()
        assert (await gateway.head()).startswith(b"OPTIONS * HTTP/1.1\r\n")


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
async def test_any_method_passes(method: str) -> None:
    async with scene() as made:
        client, gateway = await made.asked(GET.replace(b"GET", method.encode()))
        gateway.send(OK)
        assert (await client.exactly(len(OK))) == OK


async def test_nothing_waits_for_more_bytes_before_it_is_sent() -> None:
    async with scene() as made:
        client, gateway = await made.asked()
        gateway.send(OK)
        await client.exactly(len(OK))
        for connection in (
            next(iter(made.proxy._shared.clients)),
            made.proxy._shared.pool._idle[0],
        ):
            sock = connection.transport.get_extra_info("socket")
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


SPECIAL = {
    *(b"connection", b"keep-alive", b"te", b"transfer-encoding", b"upgrade", b"host"),
    *(b"content-length", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization"),
}


def ordinary(name: bytes) -> bool:
    return name.lower() not in SPECIAL


NAMES = st.from_regex(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,20}", fullmatch=True).filter(ordinary)
VALUES = st.binary(max_size=40).map(
    lambda raw: bytes(c for c in raw if c >= 32 and c != 127).strip(b" ")
)
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=8)
PIECES = st.lists(st.binary(min_size=1, max_size=300), max_size=6)


@dataclass(frozen=True)
class Message:
    """What one side says after its first line, and at which bytes its sending is cut."""

    headers: list[tuple[bytes, bytes]]
    pieces: list[bytes]
    trailers: list[tuple[bytes, bytes]]
    chunked: bool
    cuts: list[int]

    def after(self, first: bytes) -> bytes:
        body = b"".join(self.pieces)
        framing = b"Content-Length: %d\r\n" % len(body)
        if self.chunked:
            framing = b"Transfer-Encoding: Chunked\r\n"
            chunks = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(p), p) for p in self.pieces)
            body = b"%b0\r\n%b\r\n" % (chunks, lines(self.trailers))
        return first + lines(self.headers) + framing + b"\r\n" + body


MESSAGES = st.builds(
    Message,
    HEADERS,
    PIECES,
    HEADERS,
    st.booleans(),
    st.lists(st.integers(0, 3000), max_size=8).map(sorted),
)


def lines(headers: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%b: %b\r\n" % header for header in headers)


async def dribble(wire: Wire, message: bytes, at: list[int]) -> None:
    """Send in parts, each of which is likely to be read by itself."""
    for begin, end in pairwise([0, *at, len(message)]):
        wire.send(message[begin:end])
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def whole(wire: Wire, framed: bool) -> tuple[bytes, bytes, bytes]:
    """Head, body and trailers of one message."""
    head = await wire.head()
    if not framed:
        length = int(head.lower().partition(b"\r\ncontent-length: ")[2].split(b"\r\n")[0])
        return head, await wire.exactly(length), b""
    body = b""
    while size := int(await wire.until(b"\r\n"), 16):
        body += (await wire.exactly(size + 2))[:-2]
    trailers = b""
    while (line := await wire.until(b"\r\n")) != b"\r\n":
        trailers += line
    return head, body, trailers


@given(asks=MESSAGES, answers=MESSAGES)
@settings(max_examples=60)
def test_any_message_arrives_whole_however_it_is_cut(asks: Message, answers: Message) -> None:
    async def run() -> None:
        async with scene() as made:
            client = await made.client()
            first = b"POST /x HTTP/1.1\r\nHost: localhost\r\n"
            _, gateway = await asyncio.gather(
                dribble(client, asks.after(first), asks.cuts), made.gateway.next()
            )
            head, *came = await whole(gateway, asks.chunked)
            assert head.split(b"\r\n", 2)[2].startswith(lines(asks.headers))
            assert came == said(asks)
            first = b"HTTP/1.1 200 Fine\r\n"
            await dribble(gateway, answers.after(first), answers.cuts)
            head, *came = await whole(client, answers.chunked)
            assert head.startswith(first + lines(answers.headers))
            assert came == said(answers)
            await made.ended(ProxyOutcome.ANSWERED)

    asyncio.run(run())


def said(message: Message) -> list[bytes]:
    return [b"".join(message.pieces), lines(message.trailers if message.chunked else [])]


async def test_a_large_body_passes_in_both_directions_at_once() -> None:
    async with scene() as made:
        size = 8 << 20
        head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % size
        client, gateway = await made.asked(head)
        gateway.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        body = bytes(range(256)) * (size // 256)
        client.send(body)
        gateway.send(body)
        received, answer = await asyncio.gather(gateway.exactly(size), client.head())
        assert received == body
        assert b"Connection: close\r\n" in answer  # it began before the request was whole
        assert await client.exactly(size) == body
        await made.ended(ProxyOutcome.ANSWERED)

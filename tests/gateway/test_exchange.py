"""One exchange: bounded in time and size, against MockTransport and real sockets."""

from __future__ import annotations

import asyncio
import gzip
import os
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from exporter.errors import (
    AuthError,
    BadResponseError,
    GatewayTimeoutError,
    NetworkError,
    ResponseTooLargeError,
)
from exporter.gateway.exchange import MAX_BODY, Answer, exchange, open_http
from exporter.secrets import Secret
from tests.gateway.fakes import Bench, raw, run
from tests.otlp.certificates import OPENSSL, make

Connection = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Endless(httpx.AsyncByteStream):
    """Throttle one part and counts how often it was taken."""

    def __init__(self, first: bytes, then: bytes) -> None:
        self.first, self.then, self.taken = first, then, 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.first
        while True:
            self.taken += 1
            yield self.then


def test_a_body_without_end_is_given_up() -> None:
    body = Endless(b'{"balance": 1, "x": "', b"y" * 65536)
    with pytest.raises(ResponseTooLargeError, match="8 MiB: ask for a shorter range"):
        Bench(lambda request: httpx.Response(200, stream=body)).account()
    assert body.taken <= MAX_BODY // 65536 + 1


def test_a_small_body_that_unfolds_without_end_is_given_up() -> None:
    bomb = gzip.compress(b"\0" * (64 * MAX_BODY))
    assert len(bomb) < MAX_BODY
    with pytest.raises(ResponseTooLargeError):
        Bench(raw(bomb, 200, {"Content-Encoding": "gzip"})).account()


@pytest.mark.parametrize("name", ["gzip", "x-gzip", "deflate"])
def test_compressed_answers_are_read(name: str) -> None:
    compress = zlib.compress if name == "deflate" else gzip.compress
    body = compress(b'{"balance": 1}')
    assert Bench(raw(body, 200, {"Content-Encoding": name})).account().available == 1_000_000_000


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (b"no gzip", "gzip"),
        (gzip.compress(b'{"balance": 1}')[:-9], "gzip"),
        (b'{"balance": 1}', "br"),
        (b'{"balance": 1}', "gzip, gzip"),
    ],
    ids=["no gzip", "cut off", "not asked for", "twice"],
)
def test_an_answer_that_cannot_be_unpacked_is_bad(body: bytes, coding: str) -> None:
    with pytest.raises(BadResponseError, match="compressed"):
        Bench(raw(body, 200, {"Content-Encoding": coding})).account()


def test_a_failed_status_counts_even_if_its_body_is_damaged() -> None:
    with pytest.raises(AuthError):
        Bench(raw(b"no gzip", 401, {"Content-Encoding": "gzip"})).account()


def test_cookies_are_not_kept() -> None:
    bench = Bench(raw(b'{"balance": 1}', 200, {"Set-Cookie": "session=1; Path=/"}))
    bench.account()
    bench.account()
    assert "cookie" not in bench.requests[1].headers


class Server:
    """A server of our own on a free port, which leaves nothing open."""

    def __init__(self, connection: Connection, tls: ssl.SSLContext | None = None) -> None:
        self._connection = connection
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._connection(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        await asyncio.gather(*self._tasks)
        await self._server.wait_closed()


def served(connection: Connection, timeout: float = 5.0, times: int = 1) -> list[Answer]:
    """What the client makes of a server of our own, asked so many times."""

    async def main() -> list[Answer]:
        key = Secret("sk-byts-key")
        async with Server(connection) as address, open_http(timeout) as http:
            url = f"http://{address}/api/v1/me/account"
            return [await exchange(http, url, key, timeout) for _ in range(times)]

    return run(main())


async def head(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


async def fine(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await head(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


def test_a_gateway_that_is_slow_does_not_hold_the_poll() -> None:
    with pytest.raises(GatewayTimeoutError, match=r"within 0\.3 s"):
        served(silent, timeout=0.3)


def test_connections_are_kept_and_headers_are_as_documented() -> None:
    peers: set[object] = set()
    heads: list[bytes] = []

    async def lasting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.add(writer.get_extra_info("peername"))
        while True:
            heads.append(await head(reader))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\n{}")

    answers = served(lasting, times=3)
    assert [(answer.status, answer.body, answer.headers[b"x-a"]) for answer in answers] == [
        (200, b"{}", b"b")
    ] * 3
    assert len(peers) == 1
    assert b"Authorization: Bearer sk-byts-key\r\n" in heads[0]
    assert heads[0].startswith(b"GET /api/v1/me/account HTTP/1.1\r\n")


def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await head(reader))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async def main() -> None:
        for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
            monkeypatch.delenv(name)
        async with Server(proxy) as address:
            monkeypatch.setenv("HTTP_PROXY", f"http://{address}")
            async with open_http() as http:
                await exchange(http, "http://gateway.test/x", Secret("sk-byts-key"), 5.0)

    run(main())
    assert asked[0].startswith(b"GET http://gateway.test/x HTTP/1.1\r\n")


@pytest.mark.skipif(OPENSSL is None, reason="openssl makes the certificates")
def test_the_authorities_of_the_environment_are_trusted_and_no_one_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates = make(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca))

    async def status(secure: bool) -> int:
        server = Server(fine, certificates.context())
        async with server as address, open_http(5.0, secure=secure) as http:
            return (await exchange(http, f"https://{address}/", Secret("sk-byts-key"), 5.0)).status

    assert run(status(secure=True)) == 200
    with pytest.raises(NetworkError, match="TLS with the gateway failed"):
        run(status(secure=False))

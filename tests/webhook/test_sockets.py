"""Deliveries over a real socket, by senders that keep to nothing."""

from __future__ import annotations

import asyncio
import socket
import struct
from pathlib import Path

import httpx
import pytest

from exporter.web.server import Bounds, WebServer
from tests.web.serving import IMPATIENT, connect, ended, opened, running, told, until
from tests.webhook.fakes import HEADER, MONEY, PATH, Bench, event, signature

pytestmark = pytest.mark.anyio


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def post(server: WebServer, body: bytes, signed: str | None = None) -> httpx.Response:
    headers = {HEADER: signature(body) if signed is None else signed}
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(f"http://{server.address}{PATH}", content=body, headers=headers)


def head(body: bytes, *lines: str) -> bytes:
    """The head of a delivery whose body is signed well."""
    usual = (f"POST {PATH} HTTP/1.1", "host: x", f"{HEADER}: {signature(body)}")
    return "\r\n".join((*usual, *lines, "", "")).encode()


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


async def test_a_delivery_is_answered_without_a_body(bench: Bench) -> None:
    async with running(bench.app) as server:
        response = await post(server, event())
    assert bench.asked() == MONEY
    assert (response.status_code, response.content) == (204, b"")
    assert "content-length" not in response.headers
    assert "content-type" not in response.headers
    assert response.headers["cache-control"] == "no-store"


async def test_a_chunked_delivery_is_taken_in_pieces(bench: Bench) -> None:
    body = event(pad="x" * 1000)
    async with running(bench.app) as server:
        reader, writer = await connect(server)
        writer.write(head(body, "transfer-encoding: chunked"))
        for at in range(0, len(body), 100):
            writer.write(chunk(body[at : at + 100]))
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(b"0\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 204")
        writer.close()
    assert bench.counted == {"accepted": 1}


async def test_a_sender_that_asks_first_whether_to_send_is_told_to(bench: Bench) -> None:
    body = event()
    async with running(bench.app) as server:
        reader, writer = await connect(server)
        lines = (f"content-length: {len(body)}", "expect: 100-continue")
        writer.write(head(body, *lines))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert (await reader.readline()).startswith(b"HTTP/1.1 204")
        writer.close()
        reader, writer = await connect(server)
        writer.write(head(body, *lines).replace(signature(body).encode(), b"md5="))
        assert (await reader.readline()).startswith(b"HTTP/1.1 401"), "nothing is read unsigned"
        writer.close()
    assert bench.counted == {"accepted": 1, "unsigned": 1}


@pytest.mark.parametrize("resets", [False, True])
async def test_a_body_that_breaks_off_is_counted_at_once(bench: Bench, resets: bool) -> None:
    body = event()
    async with running(bench.app) as server:
        _, writer = await connect(server)
        writer.write(head(body, f"content-length: {len(body)}") + body[:5])
        await until(lambda: opened(server) == 1)
        if resets:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.close()
        await until(lambda: bench.counted == {"malformed": 1})
        await until(lambda: opened(server) == 0)
    assert bench.asked() == []


async def test_a_body_that_waits_longest_makes_room_and_is_counted(bench: Bench) -> None:
    body = event()
    async with running(bench.app, Bounds(connections=2)) as server:
        begun = [await connect(server) for _ in range(2)]
        for _, writer in begun:
            writer.write(head(body, f"content-length: {len(body)}") + body[:5])
        assert (await post(server, body)).status_code == 204
        assert await ended(begun[0][0]) == b""
        begun[1][1].write(body[5:])
        assert (await begun[1][0].readline()).startswith(b"HTTP/1.1 204")
        for _, writer in begun:
            writer.close()
    assert bench.counted == {"accepted": 1, "duplicate": 1, "malformed": 1}


async def test_a_refusal_reaches_a_sender_that_goes_on_sending(bench: Bench) -> None:
    async with running(bench.app) as server:
        reader, writer = await connect(server)
        writer.write(f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: 9999999\r\n\r\n".encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 401")
        for _ in range(50):
            writer.write(b"x" * 65_536)
            await writer.drain()
        assert b"signature" in await reader.readuntil(b"wrong\n")
        writer.close()
        await until(lambda: opened(server) == 0)


async def test_a_length_that_is_not_kept_to_is_no_delivery(bench: Bench) -> None:
    body = event()
    async with running(bench.app, IMPATIENT) as server:
        more, less = (head(body, f"content-length: {len(body) + n}") + body for n in (1, -1))
        assert await told(server, more) == b"", "it waits for the rest until it is cut off"
        assert (await told(server, less)).startswith(b"HTTP/1.1 401")
        await until(lambda: len(bench.counted) == 2)
    assert bench.counted == {"unsigned": 1, "malformed": 1}


async def test_two_lengths_or_a_length_and_chunks_are_no_delivery(bench: Bench) -> None:
    body = event()
    async with running(bench.app) as server:
        for lines in (
            (f"content-length: {len(body)}", f"content-length: {len(body) - 1}"),
            ("content-length: -1",),
            ("transfer-encoding: gzip, chunked",),
        ):
            assert not (await told(server, head(body, *lines) + body)).startswith(b"HTTP/1.1 2")
    assert bench.asked() == []


async def test_a_body_is_never_taken_for_the_next_request(bench: Bench) -> None:
    inner = b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n"
    async with running(bench.app, Bounds(request_seconds=1.0)) as server:
        for lines in ((f"content-length: {len(inner)}",), ("transfer-encoding: chunked",)):
            answered = await told(server, head(b"other", *lines) + inner)
            assert answered.count(b"HTTP/1.1 ") <= 1
            assert b"bytespike_" not in answered

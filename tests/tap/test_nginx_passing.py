"""What passes through nginx with `deploy/tap/nginx.conf` is what was sent, when it was sent."""

from __future__ import annotations

import asyncio
import hashlib
import resource
import time
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from exporter.clock import SystemClock
from exporter.config.types import Listen
from tests.daemon.live import until
from tests.tap.bench import running
from tests.tap.nginx_stage import Behind, behind, empty, reporting, scripted, seen

__all__ = ["behind"]

pytestmark = pytest.mark.anyio

KEY = {"x-api-key": "sk-byts-0123456789abcdef9f3c"}
LARGE = bytes(range(256)) * 20_000
"""5 MB."""


@pytest.mark.parametrize("status", [200, 429])
async def test_a_stream_passes_part_by_part_and_was_observed_when_it_began(
    status: int, behind: Behind
) -> None:
    go_on = asyncio.Event()

    async def answer(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status} Any\r\nX-RateLimit-Limit: 200.00\r\n".encode())
        writer.write(b"Content-Type: text/event-stream\r\nX-Accel-Buffering: yes\r\n")
        writer.write(b"Transfer-Encoding: chunked\r\n\r\n")
        for number in range(3):
            writer.write(b"9\r\ndata: %d\n\n\r\n" % number)
            await go_on.wait()
            go_on.clear()
        writer.write(b"0\r\n\r\n")

    async with scripted(answer) as gateway, reporting(behind, gateway.url) as (bench, client):
        async with client.stream("POST", "/v1/x", headers=KEY) as response:
            parts = response.aiter_raw()
            for number in range(3):
                assert await anext(parts) == b"data: %d\n\n" % number
                assert not bench.taken
                if number == 0:
                    half = time.time()
                    await asyncio.sleep(0.02)  # nginx counts milliseconds of the machine's clock
                go_on.set()
            assert [part async for part in parts] == []
        observation = await seen(bench, 1)
    assert observation.envelope.observed_at <= half
    assert observation.envelope.limit == 200_000_000_000
    assert observation.status == response.status_code == status
    assert "x-bytespike-tap" not in response.headers


async def test_a_client_that_leaves_ends_the_call_to_the_gateway(behind: Behind) -> None:
    asked, left = asyncio.Event(), asyncio.Event()

    async def answer(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        asked.set()
        if b"/silent" not in head:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        assert await reader.read() == b""
        left.set()
        writer.close()

    async with scripted(answer) as gateway, reporting(behind, gateway.url) as (_, client):
        async with client.stream("POST", "/v1/x", headers=KEY) as response:
            assert await anext(response.aiter_raw()) == b"one"
        await asyncio.wait_for(left.wait(), 10)
        asked.clear()
        left.clear()
        waiting = asyncio.create_task(client.get("/silent", headers=KEY))
        await asyncio.wait_for(asked.wait(), 10)
        waiting.cancel()
        await asyncio.wait_for(left.wait(), 10)


async def _read_body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    if b"transfer-encoding: chunked" not in head.lower():
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        return await reader.readexactly(length)
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return body


@pytest.mark.parametrize("chunked", [False, True])
async def test_five_megabytes_pass_both_ways(chunked: bool, behind: Behind) -> None:
    async def answer(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        body = await _read_body(head, reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        writer.write(body)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(LARGE), 100_000):
            yield LARGE[start : start + 100_000]

    async with scripted(answer) as gateway, reporting(behind, gateway.url) as (_, client):
        response = await client.post(
            "/v1/files", content=pieces() if chunked else LARGE, headers=KEY
        )
    assert hashlib.sha256(response.content).digest() == hashlib.sha256(LARGE).digest()


async def test_a_requests_body_passes_part_by_part(behind: Behind) -> None:
    arrived = asyncio.Event()

    async def answer(_: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(3) == b"one"
        arrived.set()
        assert await reader.readexactly(3) == b"two"
        await empty(_, reader, writer)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        await asyncio.wait_for(arrived.wait(), 10)
        yield b"two"

    async with scripted(answer) as gateway, reporting(behind, gateway.url) as (_, client):
        headers = KEY | {"content-length": "6"}
        response = await client.post("/v1/files", content=pieces(), headers=headers)
    assert response.status_code == 200


@pytest.mark.parametrize("status", [302, 401, 402, 404, 429, 500, 503])
async def test_an_answer_passes_as_it_is_and_so_does_what_was_asked(
    status: int, behind: Behind
) -> None:
    head = (
        f"HTTP/1.1 {status} As Worded\r\nserver: gateway\r\ndate: Thu, 21 May 2026 14:08:11 GMT\r\n"
        "retry-after: 7\r\nx-ratelimit-remaining: 0.00\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n"
        "location: https://llm.bytespike.ai/elsewhere\r\ncontent-type: text/html\r\n"
    )
    body = '{"error": {"type": "insufficient_quota"}} é'.encode() * 100

    async def answer(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        extra = f"X-Accel-Redirect: /other\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + extra.encode() + body)

    path = "/v1//models/a%2Fb%2e?q=%20x&key=&b=1"
    async with scripted(answer) as gateway, reporting(behind, gateway.url) as (bench, client):
        headers = KEY | {"accept-encoding": "gzip", "x-odd": 'q"\\'}
        url = httpx.URL(str(client.base_url)).copy_with(raw_path=path.encode())
        response = await client.get(url, headers=headers)
        assert (await seen(bench, 1)).status == status
    assert response.status_code == status
    assert response.content == body
    wanted = [line.split(": ", 1) for line in head.split("\r\n")[1:-1]]
    found = [(name.decode().lower(), value.decode()) for name, value in response.headers.raw]
    assert all((name, value) in found for name, value in wanted)
    assert len(gateway.heads) == 1
    asked = gateway.heads[0].decode()
    assert asked.startswith(f"GET {path} HTTP/1.1\r\nHost: llm.bytespike.ai\r\n")
    for line in ("x-api-key: sk-byts-0123456789abcdef9f3c", 'x-odd: q"\\', "accept-encoding: gzip"):
        assert f"\r\n{line}\r\n" in asked
    assert "forwarded" not in asked.lower()


async def test_connections_to_the_gateway_are_kept(behind: Behind) -> None:
    async with scripted(empty) as gateway, reporting(behind, gateway.url) as (bench, client):
        for count in range(1, 11):
            assert (await client.get("/v1/models", headers=KEY)).status_code == 200
            await seen(bench, count)
        assert gateway.connections == 1


async def test_a_call_that_the_gateway_drops_is_not_sent_again(behind: Behind) -> None:
    async def answer(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with scripted(answer) as gateway, reporting(behind, gateway.url) as (bench, client):
        assert (await client.post("/v1/x", headers=KEY, json={})).status_code == 502
        assert (await client.get("/v1/x", headers=KEY)).status_code == 502
        assert len(gateway.heads) == 2
        assert bench.taken == []


async def test_traffic_goes_on_while_nobody_listens_and_is_reported_again_afterwards(
    behind: Behind,
) -> None:
    async with scripted(empty) as gateway:
        async with running(clock=SystemClock()) as bench:
            address = bench.listener.address
            nginx = behind(address, gateway.url)
        async with httpx.AsyncClient(base_url=nginx.url, trust_env=False) as client:
            for _ in range(20):
                assert (await client.get("/v1/models", headers=KEY)).status_code == 200
            listen = Listen("127.0.0.1", int(address.split(":")[1]))
            async with running(listen, SystemClock()) as bench:
                # A socket learns late that nobody listened: what is sent next may be lost too.
                async def reported() -> None:
                    while not bench.taken:
                        await client.get("/v1/models", headers=KEY)
                        await asyncio.sleep(0.05)

                await asyncio.wait_for(reported(), 10)


async def test_a_reload_lets_streams_end(behind: Behind) -> None:
    go_on = asyncio.Event()

    async def answer(head: bytes, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"/short" in head:
            await empty(head, _, writer)
            return
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await go_on.wait()
        writer.write(b"3\r\ntwo\r\n0\r\n\r\n")

    async with scripted(answer) as gateway, running(clock=SystemClock()) as bench:
        nginx = behind(bench.listener.address, gateway.url)
        client = httpx.AsyncClient(base_url=nginx.url, trust_env=False, timeout=30)
        async with client, client.stream("POST", "/v1/x", headers=KEY) as response:
            parts = response.aiter_raw()
            assert await anext(parts) == b"one"
            await asyncio.to_thread(nginx.reload)
            assert (await client.get("/short", headers=KEY)).status_code == 200
            go_on.set()
            assert [part async for part in parts] == [b"two"]
        await seen(bench, 2)


async def test_a_thousand_uploads_that_trickle_leave_room_for_others(
    behind: Behind, few_files: int
) -> None:
    async def answer(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if b"/slow" in head:
            await reader.read()
        else:
            await empty(head, reader, writer)

    async with scripted(answer) as gateway, reporting(behind, gateway.url) as (_, client):
        resource.setrlimit(resource.RLIMIT_NOFILE, (8192, few_files))
        port = client.base_url.port
        slow = b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nx"
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(1000)]
        for _, writer in opened:
            writer.write(slow)
        await until(lambda: len(gateway.heads) >= 1000)
        assert (await client.get("/v1/models", headers=KEY)).status_code == 200
        for _, writer in opened:
            writer.close()


@pytest.fixture
def few_files() -> Iterator[int]:
    """What is started may open few files unless it asks for more; gives how many that may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 8192:
        pytest.skip("the machine allows fewer than 8,192 open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

"""A gateway behind TLS: the same as without, and only one whose certificate is right."""

from __future__ import annotations

import asyncio
import ssl
import tracemalloc
from pathlib import Path

import pytest

from exporter.tap.proxy.tls import trusting
from exporter.traffic import ProxyOutcome
from tests.otlp import certificates
from tests.otlp.certificates import Certificates
from tests.tap.proxy.scene import GET, OK, error_of, scene

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(certificates.OPENSSL is None, reason="needs openssl"),
]

STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def tls(issued: Certificates, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """That of the gateway, which the proxy trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(issued.ca))
    return issued.context()


async def test_requests_pass_and_connections_are_kept(tls: ssl.SSLContext) -> None:
    async with scene(tls=tls, scheme="https") as made:
        client, gateway = await made.asked()
        for _ in range(3):
            gateway.send(OK)
            assert await client.exactly(len(OK)) == OK
            client.send(GET)
            assert await gateway.head() == (
                b"GET /v1/x HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % made.gateway.port
            )


async def test_each_event_is_passed_on_at_once(tls: ssl.SSLContext) -> None:
    async with scene(tls=tls, scheme="https") as made:
        client, gateway = await made.asked()
        gateway.send(STREAM)
        await client.head()
        for number in range(10):
            chunk = b"2\r\n%02d\r\n" % number
            gateway.send(chunk)
            assert await client.exactly(len(chunk)) == chunk


async def test_large_bodies_pass_in_both_directions_at_once(tls: ssl.SSLContext) -> None:
    async with scene(tls=tls, scheme="https") as made:
        size = 8 << 20
        body = bytes(range(256)) * (size // 256)
        head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % size
        client, gateway = await made.asked(head)
        gateway.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + body)
        client.send(body)
        assert await gateway.exactly(size) == body
        await client.head()
        assert await client.exactly(size) == body
        await made.ended(ProxyOutcome.ANSWERED)


async def test_a_client_that_does_not_read_holds_the_gateway_up(tls: ssl.SSLContext) -> None:
    async with scene(tls=tls, scheme="https") as made:
        client, gateway = await made.asked()
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        size = 32 << 20
        (connection,) = made.proxy._shared.clients
        tracemalloc.start()
        try:
            gateway.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            gateway.send(b"x" * size)
            await made.until(lambda: connection.full)
            waiting = tracemalloc.take_snapshot().filter_traces(
                [tracemalloc.Filter(True, "*/exporter/*")]
            )
        finally:
            tracemalloc.stop()
        assert sum(trace.size for trace in waiting.traces) < 1 << 20
        client.reader._transport.resume_reading()  # type: ignore[attr-defined]
        await client.head()
        assert await client.exactly(size) == b"x" * size


async def test_a_certificate_that_nobody_vouches_for_is_a_502(
    issued: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    async with scene(tls=issued.context(), scheme="https") as made:
        client = await made.client()
        client.send(GET)
        answer = await client.rest()
        assert error_of(answer) == (502, "gateway_unreachable")
        assert b"TLS with the gateway failed" in answer
        await made.ended(ProxyOutcome.GATEWAY_FAILED)


async def test_a_gateway_that_speaks_no_tls_is_a_502(tls: ssl.SSLContext) -> None:
    async with scene(scheme="https") as made:
        client = await made.client()
        client.send(GET)
        gateway = await made.gateway.next()
        gateway.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        assert error_of(await client.rest()) == (502, "gateway_unreachable")


async def test_a_gateway_that_leaves_during_the_handshake_is_a_502(tls: ssl.SSLContext) -> None:
    async with scene(scheme="https") as made:
        client = await made.client()
        client.send(GET)
        (await made.gateway.next()).close()
        assert error_of(await client.rest()) == (502, "gateway_unreachable")


async def test_an_answer_that_ends_with_the_connection_needs_tlss_farewell(
    tls: ssl.SSLContext,
) -> None:
    async with scene(tls=tls, scheme="https") as made:
        client, gateway = await made.asked()
        gateway.send(b"HTTP/1.1 200 OK\r\n\r\nabc")
        await client.until(b"abc\r\n")
        gateway.close()
        assert await client.until(b"0\r\n\r\n") == b"0\r\n\r\n"
        other, gateway = await made.asked()
        gateway.send(b"HTTP/1.1 200 OK\r\n\r\nabc")
        await other.until(b"abc\r\n")
        gateway.writer.transport.abort()  # as somebody on the way could
        assert await other.rest() == b""
        assert made.status.requests[ProxyOutcome.GATEWAY_FAILED] == 1


async def test_a_kept_connection_that_was_closed_is_not_tried(tls: ssl.SSLContext) -> None:
    async with scene(tls=tls, scheme="https") as made:
        client, gateway = await made.asked()
        gateway.send(OK)
        await client.exactly(len(OK))
        gateway.close()
        await made.until(lambda: not made.proxy._shared.pool._idle)
        client.send(b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        other = await made.gateway.next()
        await other.head()
        other.send(OK)
        assert await client.exactly(len(OK)) == OK


async def test_a_connection_takes_little_memory(tls: ssl.SSLContext) -> None:
    async with scene(tls=tls, scheme="https") as made:
        tracemalloc.start()
        try:
            pairs = [await made.asked() for _ in range(10)]
            held = tracemalloc.take_snapshot().filter_traces(
                [tracemalloc.Filter(True, "*/exporter/*")]
            )
        finally:
            tracemalloc.stop()
        assert sum(trace.size for trace in held.traces) < 20_000 * len(pairs)
        await asyncio.sleep(0)


def test_the_certificates_of_the_environment_are_trusted(
    issued: Certificates, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    usual = len(trusting().get_ca_certs())
    assert usual > 50
    monkeypatch.setenv("SSL_CERT_FILE", str(issued.ca))
    assert len(trusting().get_ca_certs()) == 1
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    context = trusting()
    assert context.get_ca_certs() == []
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED

"""TLS with the gateway, against a server with a certificate of our own authority."""

import asyncio
from pathlib import Path

import pytest

from exporter.errors import NetworkError
from exporter.gateway.exchange import Answer, exchange, open_http
from exporter.secrets import Secret
from tests.otlp.certificates import OPENSSL, Certificates, make

pytestmark = pytest.mark.skipif(OPENSSL is None, reason="openssl makes the certificates")


async def served(certificates: Certificates, secure: bool) -> Answer:
    """What a client makes of one answer over TLS."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=certificates.context())
    async with server, open_http(5.0, secure=secure) as http:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        return await exchange(http, url, Secret("sk-byts-key"), 5.0)


def test_the_authorities_of_the_environment_are_trusted_and_no_one_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates = make(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca))
    assert asyncio.run(served(certificates, secure=True)).status == 200
    with pytest.raises(NetworkError, match="TLS with the gateway failed"):
        asyncio.run(served(certificates, secure=False))

"""No log of nginx, no report and no stranger gets a key or a query, whatever is asked."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.clock import SystemClock
from tests.otlp.certificates import OPENSSL, make
from tests.peers.nginx import Nginx
from tests.peers.process import free_port
from tests.tap.bench import running
from tests.tap.hook_stage import Ear
from tests.tap.nginx_stage import Behind, behind, empty, repeating, reporting, scripted, seen

__all__ = ["behind"]

MARK = "MARKED0fPriceless"
KEY = f"sk-byts-{MARK}0123456789abcdef9f3c"

METHODS = ("GET", "POST", "get", "CONNECT", "TRACE", "B@D", MARK, "PRI")
TARGETS = (
    f"/v1/models?key={KEY}",
    f"/v1/models?a=1&KEY={KEY}&b=2",
    f"/v1/models?key=sk%2Dbyts%2D{MARK}%30123456789abc%64ef",
    f"/{KEY}/..%2f..",
    f"/../../{KEY}",
    f"/%zz?key={KEY}",
    f"/%00?key={KEY}",
    f"http://{KEY}@elsewhere.test/?key={KEY}",
    f"//?key={KEY}",
    f"/v1/{'x' * 40_000}?key={KEY}",
    f"/v1/models?key={KEY}\x01",
    f"/v1/models?key={KEY} odd",
    f"/v1/models?key={KEY}\u00e9",
)
HEADERS = (
    f"x-api-key: {KEY}",
    f"authorization: Bearer {KEY}",
    f"authorization: {KEY}\r\nauthorization: Bearer {KEY}",
    f"authorization: Basic {KEY}",
    f"authorization: Bearer {KEY} and {KEY}",
    f"x-goog-api-key: {KEY}\r\nx-goog-api-key: {KEY}",
    f"x_api_key: {KEY}",
    f'x-api-key: {KEY}"}},{{"key":"{MARK}',
    f"x-api-key: {KEY}\u00e9",
    f"referer: http://elsewhere.test/?key={KEY}\r\nuser-agent: {KEY}\r\ncookie: {KEY}",
    f"host: {KEY}",
    f"{KEY}: x",
    f"{KEY}",
    f" x-api-key: {KEY}",
    f"x-api-key: {KEY}{'x' * 40_000}",
    f"content-length: {KEY}",
    f"content-length: 5\r\ntransfer-encoding: {KEY}",
    f"transfer-encoding: chunked\r\n\r\n{KEY}\r\n{KEY}",
    f"expect: {KEY}\r\nrange: {KEY}\r\nconnection: {KEY}\r\nupgrade: {KEY}",
)
ANSWERS = (
    f"HTTP/1.1 200 {KEY}\r\nX-RateLimit-Limit: {KEY}\r\nX-RateLimit-Reset: 1{KEY}\r\n\r\n{KEY}",
    f"HTTP/1.1 302 Found\r\nLocation: /?key={KEY}\r\nX-Accel-Redirect: /?key={KEY}\r\n\r\n",
    f"{KEY}\r\n\r\n",
    f"HTTP/1.1 200 OK\r\n{KEY}\r\n\r\n",
    f"HTTP/1.1 200 OK\r\nx: {KEY}{'x' * 40_000}\r\n\r\n",
    f"HTTP/1.1 200 OK\r\nContent-Length: {KEY}\r\n\r\n",
    f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{KEY}\r\n",
    "",
)


def searched(nginx: Nginx) -> bytes:
    """Everything that nginx has written."""
    files = [path for path in nginx.folder.rglob("*") if path.is_file() and path.suffix != ".conf"]
    return b"\n".join(path.read_bytes() for path in files)


def ask(nginx: Nginx, request: bytes) -> None:
    """Send a request, whatever it is, and wait for the end of what comes."""
    port = int(nginx.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=2) as connection, suppress(OSError):
        connection.sendall(request)
        connection.settimeout(0.2)  # what is half a request waits for more
        while connection.recv(65_536):
            pass


def requests() -> Iterator[bytes]:
    heads = ((method, TARGETS[0], HEADERS[0]) for method in METHODS)
    for method, target, header in (*product(("GET", "POST"), TARGETS, HEADERS), *heads):
        head = f"{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{header}\r\n\r\n"
        yield head.encode("latin-1")


OUTSIDE = "access_log {0}/outer.log; error_log {0}/outer-error.log debug;"
"""What the http block of an nginx says that is there already, as Debian's does, and worse."""


@pytest.fixture
def nginx(behind: Behind, tmp_path: Path) -> Iterator[tuple[Nginx, Ear]]:
    with repeating(*ANSWERS) as address, Ear() as ear:
        yield behind(ear.address, address, OUTSIDE.format(tmp_path / "nginx")), ear


def test_no_key_and_no_query_is_written_whatever_is_asked(nginx: tuple[Nginx, Ear]) -> None:
    server, ear = nginx
    told: list[bytes] = []
    for request in requests():
        ask(server, request)
        told += ear.raw()
    assert len(told) > 50
    assert MARK.encode() not in b"".join(told)
    written = searched(server)
    assert (server.folder / "outer.log").exists()
    for word in (MARK, "key=", "9f3c", "/v1/models"):
        assert word.encode() not in written, word


def test_nor_whatever_bytes_are_asked(nginx: tuple[Nginx, Ear]) -> None:
    server, ear = nginx
    noise = st.binary(max_size=200) | st.sampled_from([b"\r\n", b"\0", b" ", b"HTTP/1.1\r\n", b":"])

    @settings(max_examples=100, deadline=None)
    @given(st.lists(noise | st.just(KEY.encode()), max_size=8), st.booleans())
    def asked(pieces: list[bytes], begun: bool) -> None:
        start = b"GET /?key=" + KEY.encode() + b" HTTP/1.1\r\nhost: x\r\n" if begun else b""
        ask(server, start + b"".join(pieces) + b"\r\n\r\n")

    asked()
    assert MARK.encode() not in b"".join(ear.raw()) + searched(server)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("there", [True, False])
def test_nor_where_gateway_or_exporter_are_away_or_speak_no_tls(
    scheme: str, there: bool, behind: Behind
) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    with repeating("") as address:
        changes = {"proxy_pass https://": f"proxy_pass {scheme}://"}
        server = behind(nobody, address if there else nobody, "", **changes)
        for request in requests():
            ask(server, request)
        assert MARK.encode() not in searched(server)


@pytest.mark.anyio
@pytest.mark.skipif(OPENSSL is None, reason="openssl makes the certificates")
@pytest.mark.parametrize(
    ("name", "trusted", "status"),
    [
        ("llm.bytespike.ai", True, 200),
        ("evil.example", True, 502),
        ("llm.bytespike.ai", False, 502),
    ],
)
async def test_the_gateway_is_asked_by_name_and_only_if_its_certificate_is_right(
    name: str, trusted: bool, status: int, behind: Behind, tmp_path: Path
) -> None:
    certificates = make(tmp_path, f"DNS:{name}")
    context = certificates.context()
    names: list[str | None] = []
    context.sni_callback = lambda _, server_name, __: names.append(server_name)
    shipped = "/etc/ssl/certs/ca-certificates.crt"
    changes = {shipped: str(certificates.ca)} if trusted else {shipped: shipped}
    async with (
        scripted(empty, tls=context) as gateway,
        reporting(behind, gateway.url, **changes) as (bench, client),
    ):
        assert (await client.get("/v1/models", headers={"x-api-key": KEY})).status_code == status
        if status == 200:
            assert (await seen(bench, 1)).status == 200
    assert names == ["llm.bytespike.ai"]
    assert len(gateway.heads) == (status == 200)
    assert all(b"\r\nHost: llm.bytespike.ai\r\n" in head for head in gateway.heads)


@pytest.mark.anyio
async def test_what_nginx_answers_itself_stands_in_its_log_without_the_request(
    behind: Behind,
) -> None:
    async def answer(head: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"/drop" in head:
            writer.close()
        else:
            writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")

    async with scripted(answer) as gateway, running(clock=SystemClock()) as bench:
        nginx = behind(bench.listener.address, gateway.url)
        async with httpx.AsyncClient(base_url=nginx.url, trust_env=False) as client:
            assert (await client.get("/busy?key=x", headers={"x-api-key": KEY})).status_code == 503
            assert (await client.get("/drop?key=x", headers={"x-api-key": KEY})).status_code == 502
            assert (
                await client.get("/" + "x" * 40_000, headers={"x-api-key": KEY})
            ).status_code == 414
        await asyncio.to_thread(nginx.logged, "(bytespike: 414)")
    told = [line for line in nginx.output().splitlines() if "bytespike: " in line]
    address = gateway.url.removeprefix("http://")
    assert re.fullmatch(
        rf"\S+ bytespike: 502 from nginx itself after [\d.]+ s; "
        rf"gateway {address}, connected in [\d.]+ s\n"
        r"\S+ bytespike: 414 from nginx itself after [\d.]+ s; gateway -, connected in - s",
        "\n".join(told),
    )

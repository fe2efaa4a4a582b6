"""What Debian's nginx reports with `deploy/tap/nginx.conf` is what the gateway said."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bytespike_simulator.app import Simulator
from bytespike_simulator.options import Options
from bytespike_simulator.server import running as simulating
from exporter.clock import SystemClock
from exporter.gateway.envelope import read_envelope
from exporter.gateway.readings import Envelope, Observation, Source
from exporter.secrets import Secret
from exporter.tap import listener as module
from exporter.tap.datagram import decode
from tests.daemon.live import until
from tests.otlp.certificates import OPENSSL, make
from tests.peers.fixtures import StartPeer
from tests.peers.nginx import Nginx
from tests.peers.process import free_port
from tests.tap.bench import Bench, running

pytestmark = pytest.mark.anyio

SNIPPET = Path(__file__).resolve().parents[2] / "deploy" / "tap" / "nginx.conf"
ACCOUNT = "/api/v1/me/account"
ODD = 'odd"key\\with{every}[sort]of;sign'

visible = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
keys = st.builds(
    lambda prefix, rest: prefix + rest,
    st.sampled_from(["", "sk-byts-", "SK-BYTS-", "sk-"]),
    st.text(visible, max_size=8) | st.text(visible, min_size=9, max_size=60),
).filter(bool)
carried = st.sampled_from(["authorization", "x-api-key", "both"])

Behind = Callable[..., Nginx]


@pytest.fixture
def behind(start_peer: StartPeer, tmp_path: Path) -> Behind:
    """Starts an nginx with the snippet, changed only in where things are."""

    def start(tap: str, gateway: str, more: str = "", **further: str) -> Nginx:
        port = free_port()
        text = SNIPPET.read_text(encoding="utf-8")
        places = {
            "127.0.0.1:8789": tap,
            "llm.bytespike.ai:443": gateway,
            "127.0.0.1:8080": f"127.0.0.1:{port}",
            "/var/log/nginx": str(tmp_path),
        } | (further or {"https://": "http://"})
        for shipped, here in places.items():
            assert shipped in text
            text = text.replace(shipped, here)
        return start_peer(Nginx(tmp_path / "nginx", text + more, f"http://127.0.0.1:{port}"))

    return start


@pytest.fixture
def datagrams(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Everything that has reached a listener."""
    seen: list[bytes] = []

    def recording(datagram: bytes, now: float) -> Observation:
        seen.append(datagram)
        return decode(datagram, now)

    monkeypatch.setattr(module, "decode", recording)
    return seen


@asynccontextmanager
async def reporting(behind: Behind, gateway: str) -> AsyncIterator[tuple[Bench, httpx.AsyncClient]]:
    """A listener, and a client of the nginx that reports to it."""
    async with running(clock=SystemClock()) as bench:
        nginx = behind(bench.listener.address, gateway.removeprefix("http://"))
        async with httpx.AsyncClient(base_url=nginx.url, trust_env=False, timeout=30) as client:
            yield bench, client


async def seen(bench: Bench, count: int) -> Observation:
    """The observation that is the `count`th."""
    await until(partial(bench.has_taken, count))
    return bench.taken[-1]


def told(response: httpx.Response, key: str) -> Observation:
    """What the gateway told with a response, as it reached the client."""
    headers = {name.lower(): value for name, value in response.headers.raw}
    envelope = read_envelope(headers, Secret(key).masked(), 0.0)
    return Observation(
        Source.LOG, response.status_code, envelope or Envelope(0.0, Secret(key).masked())
    )


def timeless(observation: Observation) -> Observation:
    envelope = msgspec.structs.replace(observation.envelope, observed_at=0.0)
    return msgspec.structs.replace(observation, envelope=envelope)


@pytest.mark.parametrize(
    ("state", "status"),
    [("ok", 200), ("revoked", 401), ("wallet_empty", 402), ("window_spent", 429)],
)
async def test_the_tap_learns_what_the_gateway_said(
    state: str, status: int, behind: Behind, datagrams: list[bytes]
) -> None:
    simulator = Simulator(Options(state=state))
    first, second = (key.secret for key in simulator.world.keys[:2])
    asked: list[tuple[dict[str, str], str]] = [
        ({"Authorization": f"Bearer {first}"}, first),
        ({"authorization": f"bearer {second}"}, second),
        ({"X-Api-Key": second}, second),
        ({"Authorization": f"Bearer {first}", "x-api-key": second}, second),
    ]
    async with simulating(simulator) as url, reporting(behind, url) as (bench, client):
        for count, (headers, key) in enumerate(asked, start=1):
            before = time.time()
            response = await client.get(ACCOUNT, headers=headers)
            observation = await seen(bench, count)
            assert response.status_code == status
            assert timeless(observation) == told(response, key)
            assert observation.envelope.remaining is not None
            assert before - 0.001 <= observation.envelope.observed_at <= time.time()
    assert len(datagrams) == len(asked)
    assert bench.status.observations == {}
    for key in (first, second):
        assert key.encode() not in b"".join(datagrams)


async def test_keys_that_the_gateway_does_not_know_are_masked_too(
    behind: Behind, datagrams: list[bytes]
) -> None:
    async with simulating(Simulator()) as url, reporting(behind, url) as (bench, client):
        for count, key in enumerate((ODD, "short", "sk-byts-short"), start=1):
            response = await client.get(ACCOUNT, headers={"x-api-key": key})
            assert response.status_code == 401
            assert timeless(await seen(bench, count)) == told(response, key)
            assert key.encode() not in datagrams[-1]


async def test_what_cannot_be_a_key_is_not_reported(behind: Behind) -> None:
    simulator = Simulator()
    async with simulating(simulator) as url, reporting(behind, url) as (bench, client):
        refused: tuple[dict[bytes, bytes], ...] = (
            {},
            {b"authorization": b"Basic dXNlcjpwYXNzd29yZA=="},
            {b"authorization": b"Bearer two words"},
            {b"x-api-key": "sk-byts-0123456789é".encode()},
        )
        for headers in refused:
            assert (await client.get(ACCOUNT, headers=headers)).status_code == 401
        response = await client.get(ACCOUNT, headers={"x-api-key": simulator.api_key})
        assert timeless(await seen(bench, 1)) == told(response, simulator.api_key)
    assert bench.status.observations == {}


async def test_what_the_gateway_did_not_answer_is_not_reported(behind: Behind) -> None:
    simulator, port = Simulator(), free_port()
    key = {"x-api-key": simulator.api_key}
    async with reporting(behind, f"127.0.0.1:{port}") as (bench, client):
        assert (await client.get(ACCOUNT, headers=key)).status_code == 502
        async with simulating(simulator, port=port):
            response = await client.get(ACCOUNT, headers=key)
        assert timeless(await seen(bench, 1)) == told(response, simulator.api_key)
    assert bench.status.observations == {}


async def test_the_attempt_that_was_answered_is_reported(behind: Behind) -> None:
    simulator = Simulator()
    async with simulating(simulator) as url:
        servers = f"127.0.0.1:{free_port()}; server {url.removeprefix('http://')}"
        async with reporting(behind, servers) as (bench, client):
            response = await client.get(ACCOUNT, headers={"x-api-key": simulator.api_key})
            assert response.status_code == 200
            assert timeless(await seen(bench, 1)) == told(response, simulator.api_key)


@pytest.mark.parametrize("status", [200, 429])
async def test_a_stream_passes_part_by_part_and_was_observed_when_it_began(
    status: int, behind: Behind
) -> None:
    go_on = asyncio.Event()

    async def gateway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} Any\r\n".encode())
        writer.write(b"X-RateLimit-Limit: 200.00\r\nConnection: close\r\n\r\n")
        writer.write(b"data: one\n\n")
        await go_on.wait()
        writer.write(b"data: two\n\n")
        writer.close()

    server = await asyncio.start_server(gateway, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server, reporting(behind, f"{host}:{port}") as (bench, client):
        async with client.stream("POST", "/v1/x", headers={"x-api-key": ODD}) as response:
            parts = response.aiter_raw()
            assert await anext(parts) == b"data: one\n\n"
            assert not bench.taken
            half = time.time()
            await asyncio.sleep(0.02)  # nginx counts milliseconds of the machine's clock
            go_on.set()
            assert await anext(parts) == b"data: two\n\n"
            assert [part async for part in parts] == []
        observation = await seen(bench, 1)
    assert observation.envelope.observed_at <= half
    assert observation.envelope.limit == 200_000_000_000
    assert observation.status == status
    assert "x-bytespike-tap" not in response.headers


@pytest.mark.skipif(OPENSSL is None, reason="openssl makes the certificates")
@pytest.mark.parametrize(("name", "status"), [("llm.bytespike.ai", 200), ("evil.example", 502)])
async def test_the_gateway_is_asked_by_name_and_only_if_its_certificate_is_right(
    name: str, status: int, behind: Behind, tmp_path: Path
) -> None:
    certificates = make(tmp_path, f"DNS:{name}")
    context = certificates.context()
    names: list[str | None] = []
    requests: list[bytes] = []
    done = asyncio.Event()
    context.sni_callback = lambda _, server_name, __: names.append(server_name)

    async def gateway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            requests.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()
        await writer.wait_closed()
        done.set()

    server = await asyncio.start_server(gateway, "127.0.0.1", 0, ssl=context)
    address = ":".join(map(str, server.sockets[0].getsockname()))
    authorities = {"/etc/ssl/certs/ca-certificates.crt": str(certificates.ca)}
    async with server, running(clock=SystemClock()) as bench:
        nginx = behind(bench.listener.address, address, **authorities)
        async with httpx.AsyncClient(base_url=nginx.url, trust_env=False) as client:
            response = await client.get("/v1/models", headers={"x-api-key": ODD})
        assert response.status_code == status
        if status == 200:
            assert (await seen(bench, 1)).status == 200
        await done.wait()
    assert names == ["llm.bytespike.ai"]
    assert len(requests) == (status == 200)
    assert all(b"\r\nHost: llm.bytespike.ai\r\n" in request for request in requests)


def test_nginx_masks_keys_as_the_exporter_does(behind: Behind) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as tap, httpx.Client() as client:
        tap.bind(("127.0.0.1", 0))
        tap.settimeout(30)
        gateway = f"127.0.0.1:{free_port()}"
        answering = f"server {{ listen {gateway}; return 204; }}"
        nginx = behind(":".join(map(str, tap.getsockname())), gateway, answering)

        @settings(max_examples=500)
        @given(keys, carried)
        def masks_alike(key: str, where: str) -> None:
            headers = {"x-api-key": key} if where != "authorization" else {}
            if where != "x-api-key":
                bearer = key if where == "authorization" else "another-key-than-that-one"
                headers["authorization"] = f"Bearer {bearer}"
            assert client.get(nginx.url, headers=headers).status_code == 204
            datagram = tap.recv(4096)
            assert decode(datagram, 1.0).envelope.key_id == Secret(key).masked()
            members = json.loads(datagram[datagram.index(b"{") :])
            said = {name for name, value in members.items() if value}
            assert said == {"key", "status", "at", "source"}

        masks_alike()

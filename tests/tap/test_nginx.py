"""What Debian's nginx reports with `deploy/tap/nginx.conf` is what the gateway said."""

from __future__ import annotations

import asyncio
import json
import time
from urllib.parse import quote

import httpx
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bytespike_simulator.app import Simulator
from bytespike_simulator.options import Options
from bytespike_simulator.server import running as simulating
from exporter.gateway.envelope import read_envelope
from exporter.gateway.readings import Envelope, Observation, Source
from exporter.secrets import Secret
from exporter.tap.datagram import decode
from tests.peers.process import free_port
from tests.peers.process import until as wait
from tests.tap.hook_stage import Ear
from tests.tap.nginx_stage import Behind, behind, datagrams, reporting, scripted, seen

__all__ = ["behind", "datagrams"]

pytestmark = pytest.mark.anyio

ACCOUNT = "/api/v1/me/account"
ODD = 'odd"key\\with{every}[sort]of;sign'

visible = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
keys = st.builds(
    lambda prefix, rest: prefix + rest,
    st.sampled_from(["", "sk-byts-", "SK-BYTS-", "sk-"]),
    st.text(visible, max_size=8) | st.text(visible, min_size=9, max_size=60),
).filter(bool)
PLACES = ("x-api-key", "authorization", "x-goog-api-key", "query")
"""Where a key may stand; the first of those that are used wins."""


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


async def test_a_gateway_that_is_away_is_a_502_until_it_is_back(behind: Behind) -> None:
    simulator, port = Simulator(), free_port()
    key = {"x-api-key": simulator.api_key}
    async with reporting(behind, f"127.0.0.1:{port}") as (bench, client):
        assert (await client.get(ACCOUNT, headers=key)).status_code == 502
        async with simulating(simulator, port=port):
            response = await client.get(ACCOUNT, headers=key)
        assert timeless(await seen(bench, 1)) == told(response, simulator.api_key)
    assert bench.status.observations == {}


def placed(place: str, key: str) -> tuple[dict[str, str], str]:
    """The headers and the path of a request with a key in that place."""
    if place == "query":
        return {}, f"/v1beta/models?key={quote(key, safe='')}&alt=sse"
    return {place: f"Bearer {key}" if place == "authorization" else key}, "/"


def test_nginx_masks_keys_as_the_exporter_does_wherever_they_stand(behind: Behind) -> None:
    with Ear() as ear, httpx.Client(trust_env=False) as client:
        gateway = f"127.0.0.1:{free_port()}"
        nginx = behind(ear.address, gateway, f"server {{ listen {gateway}; return 204; }}")

        @settings(max_examples=500, deadline=None)
        @given(keys, st.sets(st.sampled_from(PLACES), min_size=1))
        @example("k" * 19, {"query"})
        @example("k" * 20, {"query"})
        @example("k" * 19, {"x-api-key"})
        @example("k" * 20, {"x-api-key"})
        @example("sk-byts-" + "k" * 11, {"query"})
        @example("sk-byts-" + "k" * 12, {"query"})
        def masks_alike(key: str, places: set[str]) -> None:
            winner = min(places, key=PLACES.index)
            headers: dict[str, str] = {}
            path = "/"
            for place in places:
                more, there = placed(place, key if place == winner else "sk-byts-another-key-1234")
                headers |= more
                path = there if place == "query" else path
            assert client.get(nginx.url + path, headers=headers).status_code == 204
            [datagram] = heard(ear, 1)
            expected = Secret(key).masked()
            if winner == "query" and quote(key[-4:], safe="") != key[-4:]:
                expected = expected.partition("…")[0] + "…"
            assert decode(datagram, 1.0).envelope.key_id == expected
            members = json.loads(datagram[datagram.index(b"{") :])
            said = {name for name, value in members.items() if value}
            assert said == {"key", "status", "at", "source"}

        masks_alike()


def heard(ear: Ear, count: int) -> list[bytes]:
    """So many datagrams, as soon as they are there."""
    found: list[bytes] = []

    def enough() -> bool:
        found.extend(ear.raw())
        return len(found) >= count

    wait(enough, f"{count} datagrams")
    return found


@pytest.mark.parametrize(
    "said",
    ["", "nonsense", '1","key":"x', "1\\", "\xff", "1e9", "sk-byts-0123456789", "9" * 3000, "-1.5"],
)
async def test_odd_and_repeated_quota_headers_do_not_break_a_report(
    said: str, behind: Behind, datagrams: list[bytes]
) -> None:
    async def answer(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        odd = b"X-RateLimit-Limit: " + said.encode("latin-1") + b"\r\n"
        fine = b"X-RateLimit-Remaining: 7.25\r\n"
        writer.write(b"HTTP/1.1 200 OK\r\n" + odd * 2 + fine + b"Content-Length: 0\r\n\r\n")

    async with scripted(answer) as gateway, reporting(behind, gateway.url) as (bench, client):
        await client.get("/", headers={"x-api-key": ODD})
        observation = await seen(bench, 1)
    assert observation.envelope.remaining == 7_250_000_000
    assert observation.envelope.limit is None
    assert observation.envelope.unreadable == (("limit",) if said else ())
    assert bench.status.observations == {}
    assert b"0123456789" not in datagrams[0]

"""Real clients through the proxy, to the simulator: httpx, and curl where there is one."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import anthropic
import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from bytespike_simulator import Fault, Simulator, quiet, running
from exporter.clock import SystemClock
from exporter.gateway.readings import Observation
from exporter.tap.proxy import Proxy, ProxyTarget
from exporter.traffic import ProxyOutcome, TapStatus
from tests.tap.proxy.scene import LOOPBACK

pytestmark = pytest.mark.anyio

MODEL = "claude-sonnet-4-6"


class Front:
    """The proxy in front of a simulated gateway."""

    def __init__(self, simulator: Simulator, url: str) -> None:
        self.simulator = simulator
        self.gateway = url
        self.seen: list[Observation] = []
        self.status = TapStatus()
        self.proxy = Proxy(LOOPBACK, ProxyTarget(url), self.seen.append, self.status, SystemClock())

    @property
    def url(self) -> str:
        return f"http://{self.proxy.address}"

    @property
    def key(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.simulator.api_key}"}


@asynccontextmanager
async def front(**options: int | str) -> AsyncIterator[Front]:
    simulator = Simulator(quiet(rpm_limit=0, **options))
    async with running(simulator) as url:
        made = Front(simulator, url)
        await made.proxy.start()
        try:
            yield made
        finally:
            await made.proxy.stop(0.0)


def client() -> httpx.AsyncClient:
    return httpx.AsyncClient(trust_env=False, timeout=10.0)


async def test_an_answer_through_the_proxy_is_the_gateways() -> None:
    async with front() as made, client() as http:
        path = "/api/v1/me/account"
        direct = await http.get(made.gateway + path, headers=made.key)
        passed = await http.get(made.url + path, headers=made.key)
        assert passed.status_code == 200
        assert passed.content == direct.content
        assert passed.reason_phrase == direct.reason_phrase
        assert without_date(passed) == without_date(direct)


async def test_errors_are_the_gateways_body_included() -> None:
    async with front() as made, client() as http:
        for path, headers in (("/api/v1/me/account", {}), ("/nowhere", made.key)):
            direct = await http.get(made.gateway + path, headers=headers)
            passed = await http.get(made.url + path, headers=headers)
            assert (passed.status_code, passed.content) == (direct.status_code, direct.content)
            assert passed.status_code in (401, 404)


def without_date(response: httpx.Response) -> list[tuple[bytes, bytes]]:
    return [(n, v) for n, v in response.headers.raw if n.lower() != b"date"]


async def test_the_envelope_is_what_the_client_sees() -> None:
    async with front() as made, client() as http:
        response = await http.get(f"{made.url}/api/v1/me/account", headers=made.key)
        (observation,) = made.seen
        told = float(response.headers["x-org-quota-remaining-credits"])
        assert observation.envelope.org_quota_remaining == round(told * 10**9)
        assert observation.envelope.key_id == f"sk-byts-…{made.simulator.api_key[-4:]}"


async def test_many_calls_at_once_get_their_own_answers() -> None:
    async with front() as made, client() as http:
        paths = [f"/api/v1/me/billing/transactions?page={n + 1}" for n in range(100)]
        answers = await asyncio.gather(
            *(http.get(made.url + path, headers=made.key) for path in paths)
        )
        for path, answer in zip(paths, answers, strict=True):
            assert answer.json()["page"] == int(path.rpartition("=")[2])
        assert made.status.requests[ProxyOutcome.ANSWERED] == 100
        assert len(made.seen) == 100


async def test_a_body_is_streamed_up() -> None:
    async with front() as made, client() as http:

        async def body() -> AsyncIterator[bytes]:
            for _ in range(50):
                yield b"x" * 10_000

        response = await http.post(f"{made.url}/nowhere", content=body(), headers=made.key)
        assert response.status_code == 404


@pytest.mark.parametrize("kind", ["close", "stall"])
async def test_a_gateway_that_breaks_off_is_an_error_to_the_client(
    kind: Literal["close", "stall"],
) -> None:
    async with front() as made, client() as http:
        made.simulator.faults.add(Fault(kind=kind, endpoint="account"))

        async def ask() -> httpx.Response:
            patience = httpx.Timeout(10.0, read=0.5)
            url = f"{made.url}/api/v1/me/account"
            return (await http.get(url, headers=made.key, timeout=patience)).raise_for_status()

        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadTimeout, httpx.HTTPStatusError)):
            await ask()
        made.simulator.faults.clear()
        assert (await ask()).status_code == 200


async def test_openais_sdk_knows_the_base_url_only() -> None:
    async with front(answer_tokens=4) as made:
        sdk = openai.AsyncOpenAI(api_key=made.simulator.api_key, base_url=f"{made.url}/v1")
        async with sdk:
            ask = sdk.chat.completions.create
            said: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Count."}]
            answer = await ask(model=MODEL, messages=said)
            events = await ask(model=MODEL, messages=said, stream=True)
            pieces = [event.choices[0].delta.content or "" async for event in events]
        assert answer.choices[0].message.content == "".join(pieces) == "0 1 2 3 "
        assert [o.model for o in made.seen] == [MODEL, MODEL]
        assert made.status.requests[ProxyOutcome.ANSWERED] == 2


async def test_anthropics_sdk_knows_the_base_url_only() -> None:
    async with front(answer_tokens=4) as made:
        sdk = anthropic.AsyncAnthropic(api_key=made.simulator.api_key, base_url=made.url)
        async with (
            sdk,
            sdk.messages.stream(
                model=MODEL, max_tokens=100, messages=[{"role": "user", "content": "Count."}]
            ) as stream,
        ):
            text = await stream.get_final_text()
        assert text == "0 1 2 3 "
        assert [o.model for o in made.seen] == [MODEL]
        assert made.seen[0].envelope.key_id == f"sk-byts-…{made.simulator.api_key[-4:]}"


async def test_an_sdk_sees_the_gateways_refusal_and_the_tap_as_well() -> None:
    async with front(state="wallet_empty") as made:
        sdk = openai.AsyncOpenAI(
            api_key=made.simulator.api_key, base_url=f"{made.url}/v1", max_retries=0
        )
        async with sdk:
            with pytest.raises(openai.APIStatusError) as caught:
                await sdk.models.list()
        assert caught.value.status_code == 402
        assert [o.status for o in made.seen] == [402]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("options", [(), ("-0",), ("--http2",), ("-H", "Expect: 100-continue")])
async def test_curl_works_in_every_dialect_it_has(options: tuple[str, ...]) -> None:
    async with front() as made:
        process = await asyncio.create_subprocess_exec(
            *("curl", "-sS", "--max-time", "20", "--noproxy", "*", *options),
            *("-d", "x" * 5000, "-w", " %{http_code}", f"{made.url}/nowhere"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert (err, out[-4:]) == (b"", b" 404")

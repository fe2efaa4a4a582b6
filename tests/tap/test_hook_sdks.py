"""The hook inside the real SDKs, whole and streamed, against the simulated gateway.

OpenAI's SDK takes the clients of httpx and of httpx2, Anthropic's those of httpx2.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from types import ModuleType
from typing import Any, NamedTuple

import anthropic
import httpx
import httpx2
import openai
import pytest

from bytespike_simulator import Fault, Simulator, quiet, running
from exporter.secrets import Secret
from exporter.tap.hook import AsyncQuotaTap, QuotaTap
from tests.reliability.machine import served
from tests.tap.hook_stage import LARGEST, NOW, QUOTA, Ear

SDKS = [("openai", httpx), ("openai", httpx2), ("anthropic", httpx2)]
MODEL = "claude-sonnet-4-6"
ANSWER = "0 1 2 3 "
REFUSED = (openai.APIStatusError, anthropic.APIStatusError)
BROKEN = (httpx.TransportError, httpx2.TransportError, openai.APIError, anthropic.APIError)

STATES = [("ok", 200), ("wallet_empty", 402), ("key_cap_reached", 402), ("window_spent", 429)]


class Call(NamedTuple):
    """One call through an SDK, and what the gateway makes of it."""

    sdk: str
    library: Any
    stream: bool
    state: str
    status: int

    @property
    def outcome(self) -> tuple[int, str]:
        """Status and text that it must come to."""
        return self.status, ANSWER if self.state == "ok" else ""


CALLS = [Call(*sdk, stream, *state) for sdk, stream, state in product(SDKS, (False, True), STATES)]

every_sdk = pytest.mark.parametrize(("sdk", "library"), SDKS)
every_call = pytest.mark.parametrize("call", CALLS, ids=str)


@pytest.fixture
def gateway() -> Simulator:
    return Simulator(quiet(caps=True, answer_tokens=4))


@pytest.fixture
def ear(gateway: Simulator) -> Iterator[Ear]:
    """It fails the test if a datagram is too large or has more of a key than is shown of it."""
    with Ear() as opened:
        hear = opened.raw

        def checked() -> list[bytes]:
            datagrams = hear()
            for datagram in datagrams:
                assert len(datagram) <= LARGEST
                assert gateway.api_key[8:-4].encode() not in datagram
            return datagrams

        opened.raw = checked  # type: ignore[method-assign]
        yield opened


@pytest.fixture
def url(gateway: Simulator) -> Iterator[str]:
    """Where the gateway is served, from a thread of its own: a synchronous SDK waits for it."""
    with served(gateway) as base:
        yield base


def expected(gateway: Simulator, status: int, headers: Any) -> dict[str, object]:
    """What is to be heard of a response with these headers."""
    quota = {name: headers[name] for name in QUOTA}
    key = Secret(gateway.api_key).masked()
    return {"key": key, "status": status, "at": NOW, "source": "hook"} | quota


# -- synchronous --------------------------------------------------------------------------


class Application:
    """Calls a model through an SDK over `client`, which has the hook."""

    def __init__(self, sdk: str, key: str, url: str, client: Any) -> None:
        self._sdk = sdk
        if sdk == "openai":
            self._openai = openai.OpenAI(
                api_key=key, base_url=f"{url}/v1", http_client=client, max_retries=0
            )
        else:
            self._anthropic = anthropic.Anthropic(
                api_key=key, base_url=url, http_client=client, max_retries=0
            )

    def pieces(self, stream: bool) -> Iterator[str]:
        """The answer to one call: whole, or each piece of it when it has arrived."""
        if self._sdk == "openai":
            return self._of_openai(stream)
        return self._of_anthropic(stream)

    def _of_openai(self, stream: bool) -> Iterator[str]:
        messages: Any = [{"role": "user", "content": "Count."}]
        create = self._openai.chat.completions.create
        if not stream:
            yield create(model=MODEL, messages=messages).choices[0].message.content or ""
            return
        with create(model=MODEL, messages=messages, stream=True) as chunks:
            for chunk in chunks:
                yield chunk.choices[0].delta.content or ""

    def _of_anthropic(self, stream: bool) -> Iterator[str]:
        wish: Any = {
            "model": MODEL,
            "max_tokens": 64,
            "messages": [{"role": "user", "content": "Count."}],
        }
        if not stream:
            [block] = self._anthropic.messages.create(**wish).content
            yield block.text
            return
        with self._anthropic.messages.stream(**wish) as events:
            yield from events.text_stream


@contextmanager
def application(
    sdk: str, library: ModuleType, gateway: Simulator, url: str, ear: Ear
) -> Iterator[tuple[Application, list[Any]]]:
    """An application, and the headers of the responses that it got."""
    headers: list[Any] = []
    tap = QuotaTap(ear.address, clock=lambda: NOW)
    hooks = {"response": [tap, lambda response: headers.append(response.headers)]}
    with library.Client(event_hooks=hooks) as client:
        yield Application(sdk, gateway.api_key, url, client), headers
    assert tap.failed == 0


def outcome(app: Application, stream: bool) -> tuple[int, str]:
    """Status and text of one call."""
    try:
        return 200, "".join(app.pieces(stream))
    except REFUSED as error:
        return error.status_code, ""


@every_call
def test_a_call_is_answered_or_refused_as_ever_and_reported(
    call: Call, gateway: Simulator, url: str, ear: Ear
) -> None:
    gateway.options.set({"state": call.state})
    with application(call.sdk, call.library, gateway, url, ear) as (app, headers):
        assert outcome(app, call.stream) == call.outcome
    assert ear.heard() == [expected(gateway, call.status, headers[0])]
    assert gateway.world.truth().rows == (call.state == "ok")


@every_sdk
def test_a_streamed_call_is_reported_before_its_answer_ends(
    sdk: str, library: ModuleType, gateway: Simulator, url: str, ear: Ear
) -> None:
    gateway.faults.add(Fault(kind="stall", endpoint="calls"))
    with application(sdk, library, gateway, url, ear) as (app, _):
        pieces = app.pieces(stream=True)
        next(pieces)
        assert [said["status"] for said in ear.heard()] == [200]
        pieces.close()  # type: ignore[attr-defined]
    assert ear.raw() == []


# -- asynchronous -------------------------------------------------------------------------


async def said_to(sdk: str, key: str, url: str, client: Any) -> str:
    """The answer to one call of an asynchronous application."""
    wish: Any = {"model": MODEL, "messages": [{"role": "user", "content": "Count."}]}
    if sdk == "openai":
        asked = openai.AsyncOpenAI(
            api_key=key, base_url=f"{url}/v1", http_client=client, max_retries=0
        )
        whole = await asked.chat.completions.create(**wish)
        return whole.choices[0].message.content or ""
    told = anthropic.AsyncAnthropic(api_key=key, base_url=url, http_client=client, max_retries=0)
    [block] = (await told.messages.create(**wish, max_tokens=64)).content
    return str(block.text)


@pytest.mark.anyio
@every_sdk
async def test_an_asynchronous_call_is_answered_as_ever_and_reported(
    sdk: str, library: ModuleType, gateway: Simulator, ear: Ear
) -> None:
    """Streamed or not is one to the hook, which is called before a body is read."""
    headers: list[Any] = []
    tap = AsyncQuotaTap(ear.address, clock=lambda: NOW)

    async def keep(response: Any) -> None:
        headers.append(response.headers)

    async with (
        running(gateway) as url,
        library.AsyncClient(event_hooks={"response": [tap, keep]}) as client,
    ):
        assert await said_to(sdk, gateway.api_key, url, client) == ANSWER
    assert (ear.heard(), tap.failed) == ([expected(gateway, 200, headers[0])], 0)
    assert gateway.world.truth().rows == 1

"""The daemon with its tap: what it sees is shown, a reload moves it, an end drains it."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from exporter.config.types import Account, Listen, Tap, TapProxy
from exporter.errors import ListenError
from exporter.gateway.readings import Endpoint
from exporter.tap.hook import AsyncQuotaTap
from tests.daemon.live import VARIABLE, Live, daemon, gateway, polled, said, until
from tests.otlp.receivers import free_port

pytestmark = pytest.mark.anyio

ANY = Listen("127.0.0.1", 0)
QUESTION = {"model": "gpt-5-4", "messages": [{"role": "user", "content": "?"}]}


@asynccontextmanager
async def tapped(folder: Path, tap: Tap | None = None) -> AsyncIterator[Live]:
    """A daemon that has polled once, with listener and proxy on free ports."""
    async with gateway(folder) as live:
        live.change(tap=tap or Tap(ANY, None, TapProxy(ANY)))
        async with daemon(live):
            await until(lambda: polled(live))
            yield live


def at(live: Live, path: str) -> str:
    listener = live.daemon._listeners.at(path)
    assert listener is not None
    return listener.address


def key(live: Live) -> dict[str, str]:
    return {"authorization": f"Bearer {live.simulator.api_key}"}


async def call(live: Live, base_url: str, **body: object) -> httpx.Response:
    """An application asks a model."""
    async with httpx.AsyncClient(trust_env=False, base_url=base_url) as client:
        url = "/v1/chat/completions"
        return await client.post(url, json={**QUESTION, **body}, headers=key(live))


async def metric(live: Live, start: str) -> list[str]:
    return [line for line in (await live.get("/metrics")).text.splitlines() if start in line]


async def test_a_call_through_the_proxy_is_seen_and_so_is_one_that_the_hook_tells(
    tmp_path: Path,
) -> None:
    async with tapped(tmp_path) as live:
        assert (await call(live, f"http://{at(live, 'tap.proxy.listen')}")).status_code == 200
        hooks: dict[str, list[Callable[..., Any]]] = {
            "response": [AsyncQuotaTap(at(live, "tap.listen"))]
        }
        async with httpx.AsyncClient(trust_env=False, event_hooks=hooks) as client:
            await client.get(f"{live.url}/v1/models", headers=key(live))
        traffic = live.daemon._around.live.accounts["prod"].traffic
        await until(lambda: len(traffic.responses) == 2)
        [told] = await metric(live, 'gen_ai_response_model="gpt-5-4"')
        assert told.startswith("bytespike_tap_responses_total{")
        assert told.endswith(" 1.0")
        assert len(await metric(live, "bytespike_tap_last_observation_timestamp_seconds{")) == 2
        assert live.simulator.api_key not in (await live.get("/metrics")).text
        assert "Traffic of applications" in (await live.get("/")).text


async def test_a_refusal_on_the_traffic_shows_the_empty_wallet_at_once(tmp_path: Path) -> None:
    async with gateway(tmp_path) as live:
        poll = replace(live.config.poll, account=60.0)
        live.change(tap=Tap(None, None, TapProxy(ANY)), poll=poll)
        async with daemon(live):
            await until(lambda: polled(live))
            status = live.daemon._around.live.accounts["prod"].endpoints[Endpoint.ACCOUNT]
            before = status.next_poll
            assert before is not None
            live.simulator.options = dataclasses.replace(
                live.simulator.options, state="wallet_empty"
            )
            refused = await call(live, f"http://{at(live, 'tap.proxy.listen')}")
            assert refused.status_code == 402
            await until(lambda: status.next_poll is not None and status.next_poll < before - 30)


async def test_a_reload_moves_the_tap_and_turns_it_off_and_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "exporter")
    async with tapped(tmp_path) as live:
        old = at(live, "tap.proxy.listen")
        live.reload(replace(live.config, tap=Tap()))
        await until(lambda: live.daemon._listeners.at("tap.proxy.listen") is None)
        with pytest.raises(httpx.ConnectError):
            await call(live, f"http://{old}")
        await until(lambda: said(caplog, "Configuration reloaded"))
        assert await metric(live, "bytespike_tap_requests_total") == []
        live.reload(replace(live.config, tap=Tap(ANY, None, TapProxy(ANY))))
        await until(lambda: live.daemon._listeners.at("tap.proxy.listen"))
        assert (await call(live, f"http://{at(live, 'tap.proxy.listen')}")).status_code == 200


async def test_an_address_that_cannot_be_had_leaves_the_tap_where_it_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with tapped(tmp_path) as live:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            wanted = TapProxy(Listen("127.0.0.1", taken.getsockname()[1]))
            live.reload(replace(live.config, tap=Tap(ANY, None, wanted)))
            await until(lambda: said(caplog, "tap.proxy.listen stays as it was"))
            await until(lambda: live.daemon._listeners.at("tap.proxy.listen"))
            assert (await call(live, f"http://{at(live, 'tap.proxy.listen')}")).status_code == 200


async def test_a_reload_sends_further_requests_to_the_new_gateway(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "exporter")
    (tmp_path / "other").mkdir()
    async with tapped(tmp_path) as live, gateway(tmp_path / "other") as other:
        account = Account("prod", other.url, api_key_env=VARIABLE)
        proxy = at(live, "tap.proxy.listen")
        live.reload(replace(live.config, accounts=(account,)))
        await until(lambda: said(caplog, "Configuration reloaded"))
        assert (await call(live, f"http://{proxy}")).status_code == 200
        assert other.simulator.requests["calls"] == 1
        assert "calls" not in live.simulator.requests


@asynccontextmanager
async def streaming(folder: Path) -> AsyncIterator[tuple[Live, AsyncIterator[str]]]:
    """A daemon with a proxy through which an answer comes, word by word, for a second."""
    async with gateway(folder) as live:
        live.simulator.options = dataclasses.replace(
            live.simulator.options, answer_tokens=20, token_seconds=0.05
        )
        live.change(tap=Tap(None, None, TapProxy(ANY)))
        async with daemon(live), httpx.AsyncClient(trust_env=False) as client:
            url = f"http://{at(live, 'tap.proxy.listen')}/v1/chat/completions"
            asking = client.stream(
                "POST", url, json={**QUESTION, "stream": True}, headers=key(live)
            )
            async with asking as response:
                lines = response.aiter_lines()
                await anext(lines)
                yield live, lines


async def test_a_stream_under_way_ends_well_while_the_daemon_ends(tmp_path: Path) -> None:
    async with streaming(tmp_path) as (live, lines):
        live.daemon.stop()
        assert [line async for line in lines][-2:] == ["data: [DONE]", ""]


async def test_a_proxy_that_moves_serves_at_once_and_its_streams_end_well(tmp_path: Path) -> None:
    async with streaming(tmp_path) as (live, lines):
        old = at(live, "tap.proxy.listen")
        there = Listen("127.0.0.1", free_port())
        live.reload(replace(live.config, tap=Tap(None, None, TapProxy(there))))
        await until(lambda: live.daemon.proxy == str(there))
        async with httpx.AsyncClient(trust_env=False, base_url=f"http://{there}") as client:
            assert (await client.get("/v1/models", headers=key(live))).status_code == 200
        with pytest.raises(httpx.ConnectError):
            await call(live, f"http://{old}")
        live.daemon.stop()
        assert [line async for line in lines][-2:] == ["data: [DONE]", ""]


async def test_a_tap_that_cannot_listen_ends_the_start_with_what_to_change(tmp_path: Path) -> None:
    async with gateway(tmp_path) as live:
        port = free_port()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", port))
            taken.listen()
            live.change(tap=Tap(None, None, TapProxy(Listen("127.0.0.1", port))))
            with pytest.raises(ListenError, match=r"tap\.proxy\.listen"):
                async with daemon(live):
                    await asyncio.sleep(0)

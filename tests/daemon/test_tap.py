"""The daemon with its tap: what is reported is shown, and a reload moves the listener."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from exporter.config.types import Listen, Tap
from exporter.errors import ListenError
from exporter.gateway.readings import Endpoint
from exporter.secrets import Secret
from exporter.tap.hook import AsyncQuotaTap
from tests.daemon.live import Live, daemon, gateway, polled, said, until

pytestmark = pytest.mark.anyio

TAP = Tap(Listen("127.0.0.1", 0))


@asynccontextmanager
async def tapped(folder: Path) -> AsyncIterator[Live]:
    """A daemon that has polled once, with its tap on a free port."""
    async with gateway(folder) as live:
        live.change(tap=TAP)
        async with daemon(live):
            await until(lambda: polled(live))
            yield live


def tap_address(live: Live) -> str:
    assert live.daemon.tap is not None
    return live.daemon.tap


def responses(live: Live) -> int:
    return sum(live.daemon._live.accounts["prod"].traffic.responses.values())


def report(live: Live, status: int) -> None:
    """Tell of one response to the account's own key."""
    told = {"key": Secret(live.simulator.api_key).masked(), "status": status, "model": "gpt-5-4"}
    host, port = tap_address(live).split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(json.dumps(told).encode(), (host, int(port)))


async def metric(live: Live, start: str) -> list[str]:
    return [line for line in (await live.get("/metrics")).text.splitlines() if start in line]


async def test_a_call_that_the_hook_reports_is_shown(tmp_path: Path) -> None:
    async with tapped(tmp_path) as live:
        hooks: dict[str, list[Callable[..., Any]]] = {
            "response": [AsyncQuotaTap(tap_address(live))]
        }
        async with httpx.AsyncClient(trust_env=False, event_hooks=hooks) as client:
            key = {"authorization": f"Bearer {live.simulator.api_key}"}
            await client.get(f"{live.url}/v1/models", headers=key)
        report(live, 200)
        await until(lambda: responses(live) == 2)
        [told] = await metric(live, 'gen_ai_response_model="gpt-5-4"')
        assert told.startswith("bytespike_tap_responses_total{")
        assert told.endswith(" 1.0")
        assert len(await metric(live, "bytespike_tap_last_observation_timestamp_seconds{")) == 2
        assert live.simulator.api_key not in (await live.get("/metrics")).text
        assert "Traffic of applications" in (await live.get("/")).text


async def test_a_refusal_on_the_traffic_makes_for_a_poll_at_once(tmp_path: Path) -> None:
    async with gateway(tmp_path) as live:
        live.change(tap=TAP, poll=replace(live.config.poll, account=60.0))
        async with daemon(live):
            await until(lambda: polled(live))
            status = live.daemon._live.accounts["prod"].endpoints[Endpoint.ACCOUNT]
            before = status.next_poll
            assert before is not None
            report(live, 402)
            await until(lambda: status.next_poll is not None and status.next_poll < before - 30)


async def test_a_reload_turns_the_tap_off_and_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "exporter")
    async with tapped(tmp_path) as live:
        live.reload(replace(live.config, tap=Tap()))
        await until(lambda: said(caplog, "Configuration reloaded"))
        assert live.daemon.tap is None
        assert await metric(live, "bytespike_tap_observations_total") == []
        live.reload(replace(live.config, tap=TAP))
        await until(lambda: live.daemon.tap)
        report(live, 200)
        await until(lambda: responses(live) == 1)


async def test_an_address_that_cannot_be_had_leaves_the_tap_where_it_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with tapped(tmp_path) as live:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            wanted = Tap(Listen("127.0.0.1", taken.getsockname()[1]))
            live.reload(replace(live.config, tap=wanted))
            await until(lambda: said(caplog, "tap.listen stays as it was"))
            await until(lambda: live.daemon.tap)
            report(live, 200)
            await until(lambda: responses(live) == 1)


async def test_a_tap_that_cannot_listen_ends_the_start_with_what_to_change(tmp_path: Path) -> None:
    async with gateway(tmp_path) as live:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            live.change(tap=Tap(Listen("127.0.0.1", taken.getsockname()[1])))
            with pytest.raises(ListenError, match=r"tap\.listen"):
                async with daemon(live):
                    await asyncio.sleep(0)

"""The daemon with its tap: what is reported is shown, and a reload moves the listener."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from exporter.config.types import Listen, Tap
from exporter.secrets import Secret
from exporter.tap.hook import AsyncQuotaTap
from tests.daemon.live import Live, daemon, polled, said, until

pytestmark = pytest.mark.anyio

TAP = Tap(Listen("127.0.0.1", 0))


@pytest.fixture
async def tapped(live: Live) -> AsyncIterator[Live]:
    """A daemon that has polled once, with its tap on a free port."""
    live.change(tap=TAP, poll=replace(live.config.poll, account=60.0))
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


async def test_a_call_that_the_hook_reports_is_shown(tapped: Live) -> None:
    hooks: dict[str, list[Callable[..., Any]]] = {"response": [AsyncQuotaTap(tap_address(tapped))]}
    async with httpx.AsyncClient(trust_env=False, event_hooks=hooks) as client:
        key = {"authorization": f"Bearer {tapped.simulator.api_key}"}
        await client.get(f"{tapped.url}/v1/models", headers=key)
    report(tapped, 200)
    await until(lambda: responses(tapped) == 2)
    [told] = await metric(tapped, 'gen_ai_response_model="gpt-5-4"')
    assert told.startswith("bytespike_tap_responses_total{")
    assert told.endswith(" 1.0")
    assert len(await metric(tapped, "bytespike_tap_last_observation_timestamp_seconds{")) == 2
    assert tapped.simulator.api_key not in (await tapped.get("/metrics")).text
    assert "Traffic of applications" in (await tapped.get("/")).text


async def test_a_reload_turns_the_tap_off_and_on(
    tapped: Live, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "exporter")
    tapped.reload(replace(tapped.config, tap=Tap()))
    await until(lambda: said(caplog, "Configuration reloaded"))
    assert tapped.daemon.tap is None
    assert await metric(tapped, "bytespike_tap_observations_total") == []
    tapped.reload(replace(tapped.config, tap=TAP))
    await until(lambda: tapped.daemon.tap)
    report(tapped, 200)
    await until(lambda: responses(tapped) == 1)

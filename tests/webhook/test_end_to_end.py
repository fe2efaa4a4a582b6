"""The simulated gateway delivers to a daemon that would not have asked for an hour."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from bytespike_simulator.account import LOW_BALANCE, PAYMENT
from bytespike_simulator.wallet import CREDITS
from exporter.config.types import Http, Listen, Poll, Webhook
from exporter.polling import poller
from tests.daemon.live import Live, daemon, gateway, polled, until
from tests.webhook.fakes import HEADER, PATH, event, signature

pytestmark = pytest.mark.anyio

HOUR = 3600.0


@pytest.fixture
async def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Live]:
    """A daemon that polls once an hour, and has a webhook whose secret is not there yet."""
    monkeypatch.setattr(poller, "SOONEST", 0.1)
    async with gateway(tmp_path) as live:
        live.change(
            poll=Poll(account=HOUR, usage=HOUR, transactions=HOUR),
            webhook=Webhook(PATH, tmp_path / "secret", HEADER),
        )
        async with daemon(live):
            await until(lambda: polled(live))
            yield live


async def subscribe(live: Live, path: str = PATH) -> str:
    """Subscribe the daemon to what is about money, and put the secret into its file."""
    url = f"http://{live.daemon.address}{path}"
    wish = {"url": url, "event_types": [LOW_BALANCE, PAYMENT]}
    headers = {"x-api-key": live.simulator.api_key}
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{live.url}/api/v1/me/webhooks", json=wish, headers=headers)
    secret: str = answer.json()["secret"]
    assert live.config.webhook.secret_file is not None
    live.config.webhook.secret_file.write_text(f"{secret}\n")
    return secret


async def deliver(live: Live, body: bytes, signed: str, path: str = PATH) -> int:
    async with httpx.AsyncClient(trust_env=False) as client:
        url = f"http://{live.daemon.address}{path}"
        return (await client.post(url, content=body, headers={HEADER: signed})).status_code


async def metrics(live: Live, name: str) -> dict[str, float]:
    """Points of one metric, by their labels; `prod` is the only account."""
    lines = (await live.get("/metrics")).text.splitlines()
    found = (line.rpartition(" ") for line in lines if line.startswith(f"{name}{{"))
    return {labels.partition("{")[2].split('"')[-2]: float(value) for labels, _, value in found}


async def counted(live: Live, **wanted: float) -> None:
    """Return as soon as `/metrics` shows so many deliveries, and no other outcome."""
    async with asyncio.timeout(10):
        while True:
            found = await metrics(live, "bytespike_webhook_deliveries_total")
            if {outcome: count for outcome, count in found.items() if count} == wanted:
                return
            await asyncio.sleep(0.1)


async def shows(live: Live, name: str, **wanted: float) -> None:
    """Return as soon as `/metrics` shows these points."""
    async with asyncio.timeout(10):
        while (await metrics(live, name)) != wanted:  # noqa: ASYNC110 (a page knows no event)
            await asyncio.sleep(0.05)


def requests(live: Live) -> tuple[int, int, int]:
    made = live.simulator.requests
    return made["account"], made["usage"], made["transactions"]


async def test_a_low_wallet_and_a_topup_show_although_no_poll_is_due_for_an_hour(
    live: Live,
) -> None:
    await subscribe(live)
    await shows(live, "bytespike_wallet_low_balance_active", prod=0)
    account, usage, transactions = requests(live)
    live.simulator.world.bill(credits=96 * CREDITS)
    await shows(live, "bytespike_wallet_low_balance_active", prod=1)
    live.simulator.world.topup(50)
    await shows(live, "bytespike_wallet_balance_USD", prod=54)
    await shows(live, "bytespike_billing_transactions_total", topup=1)
    await until(lambda: requests(live) == (account + 2, usage, transactions + 2))
    await until(lambda: live.simulator.webhooks.delivered == [204, 204])
    await counted(live, accepted=2)


async def test_a_reload_changes_path_header_and_secret_and_turns_the_webhook_off(
    live: Live, tmp_path: Path
) -> None:
    secret = await subscribe(live)
    first = event()
    assert await deliver(live, first, signature(first, secret)) == 204
    other = tmp_path / "other"
    other.write_text("another-secret-0123")
    wanted = replace(live.config, webhook=Webhook("/in", other, "X-Other"))
    live.reload(wanted)
    await until(lambda: live.daemon._config is wanted)
    body = event()
    assert await deliver(live, body, signature(body, secret)) == 404
    assert await deliver(live, body, signature(body, "another-secret-0123"), "/in") == 401
    live.reload(replace(wanted, webhook=Webhook("/in", other, HEADER)))
    await until(lambda: live.daemon._config is not wanted)
    assert await deliver(live, body, signature(body, "another-secret-0123"), "/in") == 204
    await counted(live, accepted=2, unsigned=1)
    live.reload(replace(wanted, webhook=Webhook()))
    await until(lambda: not live.daemon._live.tap.hooked)
    assert await deliver(live, body, signature(body, "another-secret-0123"), "/in") == 404
    await counted(live)


async def test_what_was_delivered_is_remembered_when_the_server_moves(live: Live) -> None:
    secret = await subscribe(live)
    body = event()
    assert await deliver(live, body, signature(body, secret)) == 204
    before = live.daemon.address
    live.reload(replace(live.config, http=Http(listen=Listen("localhost", 0))))
    await until(lambda: live.daemon.address not in (before, None))
    assert await deliver(live, body, signature(body, secret)) == 204
    await counted(live, accepted=1, duplicate=1)

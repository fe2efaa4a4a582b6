"""Faults on real sockets: the daemon in this process, one endpoint failing or all of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from bytespike_simulator.wallet import CREDITS
from exporter.errors import Outcome
from exporter.gateway.readings import Endpoint
from tests.daemon.live import daemon, gateway, polled, until
from tests.reliability import hostile
from tests.reliability.hostile import Front, Trick, trap
from tests.reliability.machine import Receiver
from tests.reliability.trials import Trials, saw

pytestmark = pytest.mark.anyio

TIMEOUT = 1.0
EVERYWHERE: tuple[Endpoint, ...] = tuple(
    endpoint for endpoint in Endpoint if endpoint is not Endpoint.KEYS
)
"""The list of keys is polled too seldom to be waited for, and may be missing."""
PROMISED = (
    "The other endpoints go on being polled and exported; one request takes no longer than "
    "`gateway.timeout`; afterwards the totals are the truth."
)
SEEN = (
    "{requests} requests failed, {others} polls of other endpoints meanwhile; {strays} requests "
    "to another host; {wrong} points that fell; {lost} totals differ from the truth afterwards"
)
TRICKS: dict[str, tuple[Trick, Outcome]] = {
    "TCP reset in mid-body": (hostile.reset, Outcome.NETWORK),
    "black hole": (hostile.black_hole, Outcome.TIMEOUT),
    "a byte a second": (hostile.drip, Outcome.TIMEOUT),
    "endless body": (hostile.endless, Outcome.BAD_RESPONSE),
    "endless headers": (hostile.endless_headers, Outcome.NETWORK),
    "another protocol": (hostile.no_http, Outcome.NETWORK),
}
SCOPES = ((Endpoint.USAGE,), EVERYWHERE)


@pytest.mark.parametrize("scope", SCOPES, ids=["usage", "all"])
@pytest.mark.parametrize("name", [*TRICKS, "redirect to another host"])
async def test_a_fault_on_the_wire_costs_only_its_own_readings(
    trials: Trials, tmp_path: Path, name: str, scope: Sequence[Endpoint]
) -> None:
    row = trials.row("Gateway faults", f"{name}, on real sockets", PROMISED, SEEN)
    async with gateway(tmp_path) as live:
        with Receiver() as receiver, Front(live.url) as front, trap() as (elsewhere, strays):
            trick, outcome = TRICKS.get(
                name, (hostile.redirecting(elsewhere), Outcome.BAD_RESPONSE)
            )
            live.url = front.url
            live.change(
                accounts=(live.account("prod"),),
                gateway=replace(live.config.gateway, timeout=TIMEOUT),
                otlp=replace(live.config.otlp, endpoint=f"{receiver.url}/v1/metrics"),
            )
            async with daemon(live):
                await until(lambda: polled(live))
                shown = live.daemon._live.accounts["prod"]
                front.tricks = dict.fromkeys(map(str, scope), trick)
                live.simulator.world.bill(credits=3 * CREDITS)
                others = [e for e in EVERYWHERE if e not in scope]
                before = {e: shown.endpoints[e].polls.get(Outcome.SUCCESS, 0) for e in others}

                def failed_and_others_went_on() -> bool:
                    polls = {e: shown.endpoints[e].polls for e in EVERYWHERE}
                    return all(polls[e].get(outcome, 0) >= 2 for e in scope) and all(
                        polls[e][Outcome.SUCCESS] >= before[e] + 2 for e in others
                    )

                await until(failed_and_others_went_on, 30)
                grown = [shown.endpoints[e].polls[Outcome.SUCCESS] - before[e] for e in others]
                failed = sum(shown.endpoints[e].polls[outcome] for e in scope)
                assert all(shown.endpoints[e].duration.max < 5 * TIMEOUT for e in scope)
                front.tricks = {}
                deadline = time.monotonic() + 15
                while _cost(receiver) != 3 and time.monotonic() < deadline:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
    saw(
        row,
        requests=failed,
        others=sum(grown),
        strays=len(strays),
        wrong=len(receiver.watch.wrong),
        lost=int(_cost(receiver) != 3),
    )
    assert not strays
    assert not receiver.watch.wrong
    assert _cost(receiver) == 3


def _cost(receiver: Receiver) -> float:
    return receiver.watch.total("bytespike.usage.cost")

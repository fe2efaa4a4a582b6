"""Each fault hits each endpoint alone and all together, in the middle of a busy half hour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from exporter.gateway.readings import Endpoint
from tests.clock import NOW
from tests.daemon.fakes import NAME
from tests.reliability.checks import assert_secret, lost, over_budget
from tests.reliability.outages import KINDS, Kind
from tests.reliability.stage import (
    ACCOUNT,
    EXPORT_EVERY,
    INTERVALS,
    TRANSACTIONS,
    USAGE,
    Stage,
    of,
    staged,
)
from tests.reliability.trials import SOAK, Trials, saw

pytestmark = pytest.mark.anyio

EVERYWHERE = (ACCOUNT, USAGE, TRANSACTIONS)
PROMISED = (
    "What the other endpoints read stays fresh and exported; what the failing one read goes after "
    "3 intervals and is never 0; requests and waits hold; afterwards the totals are the truth."
)
SEEN = (
    "{requests} requests in {minutes} min of outage, {impolite} too many or too early; "
    "{exports} exports, {untrue} untrue points, {stale} stale points of other endpoints; "
    "{lost} totals differ from the truth afterwards"
)
STALE = 3
BEFORE, OUTAGE = 420.0, 1260.0 if SOAK else 1000.0
SLOW_AFTER_AUTH = 330.0


def _combinations() -> Iterator[object]:
    """Every fault at all endpoints, and at each alone; a short run tries a ninth of the latter."""
    for number, kind in enumerate(KINDS):
        yield pytest.param(kind, EVERYWHERE, id=f"{kind.name}-all")
        alone = EVERYWHERE if SOAK else EVERYWHERE[number % 9 // 3 :: 3] if number % 3 == 0 else ()
        for endpoint in alone:
            yield pytest.param(kind, (endpoint,), id=f"{kind.name}-{endpoint}")


@pytest.mark.parametrize(("kind", "scope"), tuple(_combinations()))
async def test_a_failing_endpoint_costs_only_its_own_readings_and_nothing_for_good(
    trials: Trials,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: Kind,
    scope: Sequence[Endpoint],
) -> None:
    row = trials.row("Gateway faults", kind.name, PROMISED, SEEN)
    async with staged(tmp_path, monkeypatch, caps=True) as stage:
        stage.enveloped = kind.envelope
        await stage.live(BEFORE)
        assert all(stage.up(endpoint) == 1 for endpoint in EVERYWHERE)
        began, first = stage.clock.time, len(stage.exports)
        stage.outages = dict.fromkeys(scope, kind.outage)
        await stage.live(OUTAGE)
        requests = [a for a in stage.asked if a.at >= began]
        impolite = [line for e in scope for line in _impolite(stage, kind, e, began)]
        told = _told(stage, kind, scope)
        ended = stage.clock.time
        stage.outages = {}
        await stage.live(_recovery(kind))
        await stage.rest()
        untrue = [
            *_untrue(stage, first, "bytespike.wallet.balance", stage.balances),
            *_untrue(stage, first, "bytespike.key.quota.remaining", stage.quotas),
            *_zero_gauges(stage, first),
        ]
        stale = _stale(stage, kind, scope, first, began, ended)
        missing = lost(stage)
        saw(
            row,
            requests=len(requests),
            minutes=round((ended - began) / 60),
            impolite=len(impolite) + over_budget(stage),
            exports=len(stage.exports) - first,
            untrue=len(untrue) + len(stage.watch.wrong),
            stale=len(stale),
            lost=len(missing),
        )
        assert not impolite
        assert not over_budget(stage)
        assert not told
        assert not untrue
        assert not stale
        assert not stage.watch.wrong
        assert all(stage.up(endpoint) == 1 for endpoint in EVERYWHERE)
        assert not missing
        assert {a.host for a in stage.asked} == {"gateway.test"}
        assert_secret(stage)


def _recovery(kind: Kind) -> float:
    """How long it may take until every endpoint works again: the longest wait and one interval."""
    slow = SLOW_AFTER_AUTH if kind.slowly else 0.0
    return max(slow, kind.every * 1.2, 1.1 * INTERVALS[TRANSACTIONS]) + 2 * EXPORT_EVERY + 60


def _impolite(stage: Stage, kind: Kind, endpoint: Endpoint, began: float) -> list[str]:
    """Requests that came in too great a number, or too early after the one before."""
    interval = INTERVALS[endpoint]
    if kind.slowly:
        interval = max(interval, min(5 * interval, 300.0))
    asked = stage.requests(endpoint, began)
    polls = OUTAGE / (0.9 * interval) + 2
    wrong = []
    if len(asked) > polls * kind.attempts:
        wrong.append(f"{endpoint}: {len(asked)} requests in {OUTAGE} s")
    gaps = [b - a for a, b in pairwise(asked)]
    if kind.every and any(gap < kind.every - 1 for gap in gaps):
        wrong.append(f"{endpoint}: asked again after {min(gaps)} s instead of {kind.every}")
    return wrong


def _told(stage: Stage, kind: Kind, scope: Sequence[Endpoint]) -> list[str]:
    """What the newest export should say of the failing endpoints and does not."""
    wrong = []
    for endpoint in scope:
        polls = stage.in_memory.accounts[NAME].endpoints[endpoint].polls
        if kind.outcome is not None and not polls.get(kind.outcome):
            wrong.append(f"{endpoint}: no poll ended as {kind.outcome}: {polls}")
        if stage.up(endpoint) != float(kind.up):
            wrong.append(f"{endpoint}: up is {stage.up(endpoint)}")
    return wrong


def _untrue(
    stage: Stage, first: int, metric: str, told: Sequence[tuple[float, float]]
) -> list[str]:
    """Gauges that are not what the gateway told last, or show, or lack, what they should not.

    They are to show for 3 intervals after the gateway told them and no longer.
    """
    wrong = []
    for at, values in stage.exports[first:]:
        since, value = [one for one in told if one[0] <= at][-1]
        known = at - since <= STALE * INTERVALS[ACCOUNT]
        shown = list(values.get(metric, {}).values())
        if shown != ([value] if known else []):
            wrong.append(f"at {at - NOW}: {metric} is {shown}, told {value} at {since - NOW}")
    return wrong


def _zero_gauges(stage: Stage, first: int) -> list[str]:
    """Gauges of the gateway that are zero: nothing on this stage is."""
    names = ("bytespike.wallet.balance", "bytespike.wallet.low_balance_threshold")
    return [
        f"{name} is 0"
        for _, values in stage.exports[first:]
        for name in names
        if 0 in values.get(name, {}).values()
    ]


def _stale(
    stage: Stage, kind: Kind, scope: Sequence[Endpoint], first: int, began: float, ended: float
) -> list[str]:
    """Points of endpoints that work and are missing or old; of failing ones that are there."""
    wrong = []
    for at, values in stage.exports[first:]:
        since = at - NOW - began
        for endpoint in EVERYWHERE:
            success = of(
                values.get("bytespike.exporter.last_success.timestamp", {}),
                "bytespike.endpoint",
                endpoint,
            )
            works = endpoint not in scope or kind.outcome is None
            if works and (success is None or at - success > 1.1 * INTERVALS[endpoint] + 30):
                wrong.append(f"{since}: {endpoint} last worked at {success}")
        balance = "bytespike.wallet.balance" in values
        works = ACCOUNT not in scope or kind.outcome is None
        if works and not balance:
            wrong.append(f"{since}: no balance")
        if "bytespike.usage.cost" not in values or "bytespike.billing.amount" not in values:
            wrong.append(f"{since}: totals are missing")
    return wrong

"""Account answers that cannot be trusted, keys that die and are repaired, and very many models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from bytespike_simulator.models import Model
from bytespike_simulator.rollup import Sums
from exporter.config.types import Poll
from exporter.gateway.readings import Endpoint
from tests.daemon.fakes import HOUR
from tests.reliability.checks import assert_secret, lost, over_budget
from tests.reliability.stage import ACCOUNT, TRANSACTIONS, USAGE, Outage, Stage, staged
from tests.reliability.trials import Trials, saw

pytestmark = pytest.mark.anyio

ABSENT: dict[str, object] = {
    "null": None,
    "a word": "plenty",
    "an empty text": "",
    "NaN": float("nan"),
    "infinite": float("inf"),
    "a list": [1],
    "an object": {"usd": 1},
    "true": True,
    "absurdly large": 10**40,
}
MONEY = {
    "available_usd": "bytespike.wallet.balance",
    "lifetime_topup_usd": "bytespike.wallet.topup",
    "lifetime_spent_usd": "bytespike.wallet.spend",
    "low_balance_threshold_usd": "bytespike.wallet.low_balance_threshold",
}


def saying(**balance: object) -> Outage:
    """The right answer, with these fields of `balance` instead of its own."""

    async def outage(stage: Stage, request: httpx.Request) -> httpx.Response:
        right = await stage.right(request)
        answer: dict[str, Any] = json.loads(await right.aread())
        answer["balance"] |= balance
        return httpx.Response(200, text=json.dumps(answer))

    return outage


@pytest.mark.parametrize("what", ABSENT)
@pytest.mark.parametrize("field", MONEY)
async def test_a_field_that_cannot_be_read_is_absent_and_not_zero(
    trials: Trials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str, what: str
) -> None:
    row = trials.row(
        "Gateway faults",
        f"`{field}` is unreadable in one of {len(ABSENT)} ways",
        "That reading is absent, the others of the answer are there.",
        "{exports} exports; {shown} showed the field, {missing} lacked another one",
    )
    async with staged(tmp_path, monkeypatch) as stage:
        await stage.live(100)
        assert MONEY[field] in stage.newest
        stage.outages = {ACCOUNT: saying(**{field: ABSENT[what]})}
        await stage.live(70)
        first = len(stage.exports)
        await stage.live(120)
        newest = [values for _, values in stage.exports[first:]]
    others = {*MONEY.values(), "bytespike.gateway.up"} - {MONEY[field]}
    shown = sum(MONEY[field] in values for values in newest)
    missing = sum(not others <= values.keys() for values in newest)
    saw(row, exports=len(newest), shown=shown, missing=missing)
    assert newest
    assert not shown
    assert not missing


async def test_a_revoked_key_is_asked_slowly_and_its_repair_is_noticed(
    trials: Trials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = trials.row(
        "Gateway faults",
        "the key is revoked for an hour and then valid again",
        "Asked once in 5 intervals and at most every 5 min; its repair is noticed within 5.5 min; "
        "nothing is lost.",
        "{requests} requests in 60 min; all endpoints worked again after {seconds} s; {lost} "
        "totals differ from the truth",
    )
    async with staged(tmp_path, monkeypatch, 4 * HOUR) as stage:
        await stage.live(400)
        began = stage.clock.time
        stage.simulator.options.state = "revoked"
        await stage.live(3600)
        asked = len([a for a in stage.asked if a.at >= began])
        stage.simulator.options.state = "ok"
        repaired = stage.clock.time
        while any(stage.up(e) != 1 for e in Endpoint) and stage.clock.time < repaired + 900:
            await stage.live(10)
        seconds = round(stage.clock.time - repaired)
        await stage.rest()
        missing = lost(stage)
        saw(row, requests=asked, seconds=seconds, lost=len(missing))
        assert asked <= 3 * (3600 / (0.9 * 300) + 2)
        assert seconds <= 1.1 * 300 + 2 * 30
        assert not missing
        assert_secret(stage)


async def test_a_key_file_that_is_repaired_is_noticed_at_once(
    trials: Trials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = trials.row(
        "Gateway faults",
        "a key file holds a wrong key, and then the right one",
        "The repair is noticed within seconds, although a refused key is asked slowly.",
        "all endpoints worked again after {seconds} s",
    )
    file = tmp_path / "key"
    file.write_text("sk-byts-wrong-0123456789abcdef")
    async with staged(tmp_path, monkeypatch, key_file=file) as stage:
        await stage.live(900)
        assert all(stage.up(endpoint) == 0 for endpoint in Endpoint)
        file.write_text(stage.key)
        repaired = stage.clock.time
        while any(stage.up(e) != 1 for e in Endpoint) and stage.clock.time < repaired + 300:
            await stage.live(1)
        seconds = round(stage.clock.time - repaired)
        file.unlink()
        saw(row, seconds=seconds)
    assert seconds <= 5 + 30 + 2


async def test_ten_thousand_models_cost_nothing_else(
    trials: Trials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = trials.row(
        "Gateway faults",
        "10,000 models in the account and in usage",
        "Every quota is a gauge; usage past `usage.max_series` folds into `other` and its sum "
        "stays the truth; the request budget holds.",
        "{models} quota gauges; {series} usage series, {folded} pairs folded; {over} requests over "
        "the budget; the sum of cost differs from the truth by {off} micro-USD",
    )
    rarely = Poll(600.0, 600.0, 600.0)  # an export of all this takes a second
    async with staged(tmp_path, monkeypatch, polls=rarely) as stage:
        world = stage.simulator.world
        first = len(world.models)
        for number in range(10_000):  # `bill` would look for the model in the list each time
            world.models.append(Model(f"model-{number}", 1000, 5000, 1000.0, 200.0))
            world.charge(0, first + number, Sums(number + 1, 7, 3, 1), stage.gateway_time.now())
        await stage.clock.advance(1400)
        truth = stage.simulator.world.truth(stage.start)
        off = round(stage.watch.total("bytespike.usage.cost") * 1e6) - truth.credits
        newest = stage.watch.values
        saw(
            row,
            models=len(newest["bytespike.quota.usage"]),
            series=len(newest["bytespike.usage.cost"]),
            folded=round(stage.watch.total("bytespike.exporter.series.folded")),
            over=over_budget(stage),
            off=abs(off),
        )
        assert len(newest["bytespike.quota.usage"]) >= 9_990
        assert len(newest["bytespike.usage.cost"]) <= 2_001 + 1
        assert not off
        assert not over_budget(stage)
        assert not stage.watch.wrong
        assert all(stage.up(endpoint) == 1 for endpoint in (ACCOUNT, USAGE, TRANSACTIONS))

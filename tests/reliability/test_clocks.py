"""Our clock and the gateway's are set, forward and back, for a while and for good."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.config.types import Poll
from tests.daemon.fakes import HOUR
from tests.reliability.checks import lost, over_budget
from tests.reliability.stage import Stage, staged
from tests.reliability.trials import Trials, saw

pytestmark = pytest.mark.anyio

SETTLE = 12 * HOUR
RARELY = Poll(300.0, 300.0, 300.0)
PROMISED = (
    "Nothing counts twice, no counter falls, no start time moves, no point stands before its "
    "start; once the clocks agree to the hour again, totals are the truth."
)
SEEN = (
    "{exports} exports, {wrong} wrong points; {requests} requests, {over} over the budget; "
    "{lost} totals differ from the truth in the end"
)


async def _check(row_of: Trials, stage: Stage, fault: str) -> None:
    row = row_of.row("Clocks", fault, PROMISED, SEEN)
    missing = lost(stage)
    saw(
        row,
        exports=stage.watch.exports,
        wrong=len(stage.watch.wrong),
        requests=len(stage.asked),
        over=over_budget(stage),
        lost=len(missing),
    )
    assert not stage.watch.wrong
    assert not over_budget(stage)
    assert not missing


@pytest.mark.parametrize("minutes", [54, -54])
@pytest.mark.parametrize("whose", ["our", "the gateway's"])
async def test_a_clock_that_is_set_for_good_by_less_than_an_hour_costs_nothing(
    trials: Trials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whose: str, minutes: int
) -> None:
    async with staged(tmp_path, monkeypatch, SETTLE, RARELY) as stage:
        await stage.live(600)
        _set(stage, whose, 60.0 * minutes)
        await stage.live(1500)
        # What waits for a clock that was set back comes once that clock is there again.
        await stage.clock.advance(60.0 * abs(minutes))
        await stage.rest()
        await _check(trials, stage, f"{whose} clock is set {minutes:+} min, for good")


@pytest.mark.parametrize(
    ("whose", "hours"),
    [
        *(("our", hours) for hours in (6, -6, 9600, -9600)),
        *(("the gateway's", hours) for hours in (5, -5)),
    ],
)
async def test_a_clock_may_be_wrong_for_a_while(
    trials: Trials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whose: str, hours: int
) -> None:
    async with staged(tmp_path, monkeypatch, SETTLE, RARELY) as stage:
        await stage.live(600)
        _set(stage, whose, hours * HOUR)
        await stage.live(1500)
        _set(stage, whose, -hours * HOUR)
        await stage.live(600)
        if whose != "our":
            await stage.clock.advance(abs(hours) * HOUR)
        await stage.rest()
        where = "ahead" if hours > 0 else "back"
        fault = f"{whose} clock is set {abs(hours):,} hours {where}, and right again"
        await _check(trials, stage, fault)


def _set(stage: Stage, whose: str, seconds: float) -> None:
    if whose == "our":
        stage.clock.jump(seconds)
    else:
        stage.gateway_time.ahead += seconds

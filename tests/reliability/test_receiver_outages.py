"""An OTLP receiver that fails for an hour and more costs no growth, no memory and no poll."""

from __future__ import annotations

import asyncio
import gc
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import pytest

from exporter.live import ExportOutcome
from exporter.metrics.snapshot import Snapshot
from exporter.otlp.result import ExportResult, failure, partial
from tests.daemon.fakes import HOUR
from tests.reliability.checks import lost as lost_on
from tests.reliability.stage import INTERVALS, Stage, staged
from tests.reliability.trials import SOAK, Trials, saw

pytestmark = pytest.mark.anyio

T = TypeVar("T")

HOURS = 24 if SOAK else 1
PROMISED = (
    "No growth is lost, polls keep their rhythm, memory stays flat, and nothing that failed counts "
    "as success."
)
SEEN = (
    "{hours} h of outage with {exports} failed exports, {late} polls out of rhythm, {grown} kept "
    "objects more; {lost} totals differ from the truth afterwards"
)
SLACK = 60
"""Objects that come and go. One that is kept of each failed export is twice as many in an hour."""


def kept() -> int:
    """How many objects of the exporter there are; the simulator's world grows, as it should."""
    gc.collect()
    modules = (str(type(thing).__module__) for thing in gc.get_objects())
    return sum(m.startswith("exporter.") and "simulator" not in m for m in modules)


class Receiver:
    """Stands in front of the stage's own: refuses, or takes the points and loses its answer."""

    def __init__(self, stage: Stage, how: str) -> None:
        self.stage = stage
        self.how = how
        self.right = stage.export
        self.tried = 0
        stage.export = self.export  # type: ignore[method-assign]

    async def export(self, snapshot: Snapshot) -> ExportResult:
        self.tried += 1
        if self.how == "takes all, and its answer is lost":
            await self.right(snapshot)
        if self.how == "rejects a part":
            return partial("the receiver rejected 1 points: it does not say why")
        return failure("no answer", data_refused=self.how == "refuses the points")

    def heal(self) -> None:
        self.stage.export = self.right  # type: ignore[method-assign]


def out_of_rhythm(stage: Stage, began: float, ended: float) -> int:
    """Polls that came too early or too late, of all endpoints."""
    wrong = 0
    for endpoint, interval in INTERVALS.items():
        asked = [at for at in stage.requests(endpoint, began) if at <= ended]
        gaps = [b - a for a, b in pairwise(asked) if b - a > 1]
        wrong += sum(not 0.89 * interval <= gap <= 1.11 * interval for gap in gaps)
    return wrong


@pytest.mark.parametrize(
    "how",
    ["is away", "refuses the points", "rejects a part", "takes all, and its answer is lost"],
)
async def test_an_hour_without_the_receiver_loses_no_growth(
    trials: Trials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    row = trials.row("Receiver faults", f"the receiver {how}", PROMISED, SEEN)
    async with staged(tmp_path, monkeypatch) as stage:
        await stage.live(600)
        receiver = Receiver(stage, how)
        began, before = stage.clock.time, kept()
        successes = stage.in_memory.exports.outcomes[ExportOutcome.SUCCESS]
        for _ in range(HOURS):
            await stage.live(HOUR)
            forget(stage)
        grown, ended = kept() - before, stage.clock.time
        late = out_of_rhythm(stage, began, ended)
        assert stage.in_memory.exports.outcomes[ExportOutcome.SUCCESS] == successes
        receiver.heal()
        await stage.rest()
        lost = lost_on(stage)
        saw(row, hours=HOURS, exports=receiver.tried, late=late, grown=grown, lost=len(lost))
        assert receiver.tried >= HOURS * HOUR / 30 - 2
        assert not late
        assert grown < SLACK
        assert not stage.watch.wrong
        assert not lost


def forget(stage: Stage) -> None:
    """Drop what only the test keeps."""
    stage.exports.clear()
    stage.sent.clear()
    stage.balances.clear()


async def test_an_export_that_hangs_holds_up_no_poll(
    trials: Trials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = trials.row("Receiver faults", "every export hangs until its timeout", PROMISED, SEEN)
    async with staged(tmp_path, monkeypatch) as stage:
        right = stage.export

        async def hanging(snapshot: Snapshot) -> ExportResult:
            if hangs:
                await stage.clock.sleep(stage.config.otlp.timeout)
                return failure("no answer")
            return await right(snapshot)

        hangs = False
        monkeypatch.setattr(stage, "export", hanging)
        await stage.live(600)
        hangs, began, before = True, stage.clock.time, kept()
        await stage.live(HOUR)
        grown, late = kept() - before, out_of_rhythm(stage, began, stage.clock.time)
        failed = stage.in_memory.exports.outcomes[ExportOutcome.FAILURE]
        hangs = False
        await stage.rest()
        lost = lost_on(stage)
        saw(row, hours=1, exports=failed, late=late, grown=grown, lost=len(lost))
        assert failed >= HOUR / 30 - 2
        assert not late
        assert grown < SLACK
        assert not stage.watch.wrong
        assert not lost
        await asyncio.sleep(0)

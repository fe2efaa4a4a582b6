"""A week goes by, in simulated time: memory and files stay as large as they were."""

from __future__ import annotations

import gc
from itertools import pairwise
from pathlib import Path

import pytest

from exporter.gateway.readings import Endpoint
from exporter.metrics.snapshot import Snapshot
from exporter.otlp.receiver import ExportResult, failure
from exporter.status import ExportOutcome
from tests.daemon.fakes import HOUR
from tests.reliability.checks import lost as lost_on
from tests.reliability.stage import INTERVALS, Stage, staged
from tests.reliability.trials import SOAK, Trials, saw

pytestmark = pytest.mark.anyio

HOURS = 7 * 24 if SOAK else 8
FIRST = 5
"""Hours after which the settle window (1 h) was filled and left often enough."""

AWAY = range(FIRST + 1, HOURS // 2 + 2)
"""Hours in which the receiver takes nothing."""

SLACK = 60
"""Objects that come and go. One that is kept of each failed export is twice as many in an hour."""


def marks(stage: Stage) -> int:
    (count,) = stage.store.db.execute("SELECT COUNT(*) FROM usage_mark").fetchone()
    return int(count)


def bytes_of(stage: Stage) -> int:
    """How large the state file and its log are."""
    return sum(path.stat().st_size for path in stage.folder.glob("state.db*"))


def kept() -> int:
    """How many objects of the exporter there are."""
    gc.collect()
    return sum(str(type(thing).__module__).startswith("exporter.") for thing in gc.get_objects())


def forget(stage: Stage) -> None:
    """Drop what only the test keeps."""
    stage.asked.clear()
    stage.log.truncate(0)
    stage.log.seek(0)


async def refuse(snapshot: Snapshot) -> ExportResult:
    """What a receiver says that is away."""
    return failure("no answer", data_refused=False)


async def test_weeks_leave_memory_marks_and_file_as_they_were(
    trials: Trials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = trials.row(
        "Load",
        "a week in simulated time (8 hours in make test), without the receiver for half of it, "
        "settle window 1 h",
        "Memory, marks and the state file stay flat; intervals are kept; the totals are the truth.",
        "{hours} h, {failed} exports failed; marks {marks_then} → {marks_now}, objects {kept_then} "
        "→ {kept_now}, bytes of the state {bytes_then} → {bytes_now}; {late} polls out of rhythm, "
        "{lost} totals differ",
    )
    late = 0
    async with staged(tmp_path, monkeypatch) as stage:
        then = (0, 0, 0)
        right = stage.export
        for hour in range(1, HOURS + 1):
            stage.export = refuse if hour in AWAY else right  # type: ignore[method-assign]
            began = stage.clock.time
            await stage.live(HOUR)
            asked = stage.requests(Endpoint.USAGE, began)
            gaps = [b - a for a, b in pairwise(asked) if b - a > 1]
            late += sum(not 0.89 * INTERVALS[Endpoint.USAGE] <= gap <= 1.11 * 60 for gap in gaps)
            forget(stage)
            if hour == FIRST:
                then = marks(stage), kept(), bytes_of(stage)
        now = marks(stage), kept(), bytes_of(stage)
        failed = stage.in_memory.exports.outcomes[ExportOutcome.FAILURE]
        await stage.rest()
        lost = lost_on(stage)
        saw(row, hours=HOURS, failed=failed, late=late, lost=len(lost))
        saw(row, 0, marks_then=then[0], kept_then=then[1], bytes_then=then[2])
        saw(row, 0, marks_now=now[0], kept_now=now[1], bytes_now=now[2])
        assert failed >= 100 * len(AWAY)
        assert now[0] < 1.5 * then[0]
        assert now[1] < then[1] + SLACK
        assert now[2] < 1.5 * then[2]
        assert not late
        assert not lost
        assert not stage.watch.wrong

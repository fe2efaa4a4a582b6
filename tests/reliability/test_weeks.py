"""A week goes by, in simulated time: memory and files stay as large as they were."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from tests.daemon.fakes import HOUR
from tests.reliability.checks import lost as lost_on
from tests.reliability.stage import INTERVALS, USAGE, Stage, staged
from tests.reliability.test_receiver_outages import SLACK, forget, kept
from tests.reliability.trials import SOAK, Trials, saw

pytestmark = pytest.mark.anyio

HOURS = 7 * 24 if SOAK else 8
FIRST = 5
"""Hours after which the settle window (1 h) was filled and left often enough."""


def marks(stage: Stage) -> int:
    (count,) = stage.store.db.execute("SELECT COUNT(*) FROM usage_mark").fetchone()
    return int(count)


def bytes_of(stage: Stage) -> int:
    """How large the state file and its log are."""
    return sum(path.stat().st_size for path in stage.folder.glob("state.db*"))


async def test_weeks_leave_memory_marks_and_file_as_they_were(
    trials: Trials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = trials.row(
        "Load",
        "a week in simulated time (8 hours in make test), settle window 1 h",
        "Memory, marks and the state file stay flat; intervals are kept; the totals are the truth.",
        "{hours} h; marks {marks_then} → {marks_now}, objects {kept_then} → {kept_now}, bytes of "
        "the state {bytes_then} → {bytes_now}; {late} polls out of rhythm, {lost} totals differ",
    )
    late = 0
    async with staged(tmp_path, monkeypatch) as stage:
        then = (0, 0, 0)
        for hour in range(1, HOURS + 1):
            began = stage.clock.time
            await stage.live(HOUR)
            asked = stage.requests(USAGE, began)
            gaps = [b - a for a, b in pairwise(asked) if b - a > 1]
            late += sum(not 0.89 * INTERVALS[USAGE] <= gap <= 1.11 * 60 for gap in gaps)
            forget(stage)
            stage.asked.clear()
            stage.log.truncate(0)
            stage.log.seek(0)
            if hour == FIRST:
                then = marks(stage), kept(), bytes_of(stage)
        now = marks(stage), kept(), bytes_of(stage)
        await stage.rest()
        lost = lost_on(stage)
        saw(row, hours=HOURS, late=late, lost=len(lost))
        saw(row, 0, marks_then=then[0], kept_then=then[1], bytes_then=then[2])
        saw(row, 0, marks_now=now[0], kept_now=now[1], bytes_now=now[2])
        assert now[0] < 1.5 * then[0]
        assert now[1] < then[1] + SLACK
        assert now[2] < 1.5 * then[2]
        assert not late
        assert not lost
        assert not stage.watch.wrong

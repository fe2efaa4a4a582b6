"""Where counting begins, in both shapes."""

from __future__ import annotations

import pytest

from exporter.gateway.readings import UsageShape
from tests.ledger.conftest import FIRST, SHAPES, MakeExporter
from tests.ledger.exporter import Exporter
from tests.ledger.world import HOUR

LOG, ROLLUP = UsageShape.LOG, UsageShape.ROLLUP


def shown(exporter: Exporter) -> dict[str, int]:
    return {total.model: total.cost for total in exporter.totals.usage}


@pytest.fixture
def late(make_exporter: MakeExporter) -> Exporter:
    """Counting begins within an hour for which the rollup shows 100 from before."""
    exporter = make_exporter(first=FIRST + 1800)
    exporter.shape = ROLLUP
    exporter.world.bill(100, back=60)
    return exporter


@SHAPES
def test_nothing_before_a_start_at_a_whole_hour_counts(exporter: Exporter) -> None:
    exporter.world.bill(100, back=1)
    exporter.world.bill(1)
    exporter.poll()
    assert shown(exporter) == {"m": 1}


def test_the_rollup_takes_what_the_first_hour_held_for_a_baseline(late: Exporter) -> None:
    late.poll()
    assert shown(late) == {"m": 0}
    late.world.now += 60
    late.world.bill(1)
    late.world.bill(5, model="new")  # not there at the baseline: all of it is ours
    late.poll()
    assert shown(late) == {"m": 1, "new": 5}
    late.world.now += HOUR
    late.world.bill(7)
    late.poll()
    assert shown(late) == {"m": 8, "new": 5}


def test_the_baseline_is_the_first_reading_however_late_and_no_other(late: Exporter) -> None:
    late.world.now += 5 * HOUR
    late.world.bill(20)
    late.poll()
    late.restart()
    late.poll()
    assert shown(late) == {"m": 20}
    late.world.bill(3, back=5 * HOUR - 60)  # late, in the first hour
    late.poll()
    late.world.now += 30 * HOUR
    late.poll()
    assert shown(late) == {"m": 23}


def test_what_the_first_hour_loses_below_its_baseline_is_not_ours(late: Exporter) -> None:
    (before,) = late.world.calls
    late.poll()
    before.cost = 40
    late.poll()
    assert late.totals.overcount == 0
    late.world.bill(8)
    late.poll()
    assert shown(late) == {"m": 8}
    late.world.calls.remove(before)
    late.poll()
    assert shown(late) == {"m": 8}


def test_the_first_hour_from_the_rollup_is_made_exact_by_the_log(late: Exporter) -> None:
    late.world.bill(20)
    late.poll()  # the baseline took the 20 for old
    late.world.bill(3)
    late.poll()
    assert shown(late) == {"m": 3}
    late.shape = LOG
    late.poll()
    late.poll()
    assert shown(late) == {"m": 23}
    assert late.totals.overcount == 0


def test_the_first_hour_from_the_log_is_exact_and_goes_on_in_the_rollup(late: Exporter) -> None:
    late.shape = LOG
    late.world.bill(20)
    late.poll()
    assert shown(late) == {"m": 20}
    late.shape = ROLLUP
    late.poll()
    late.world.bill(3)
    late.poll()
    assert shown(late) == {"m": 23}


def test_a_later_start_of_the_process_changes_nothing(exporter: Exporter) -> None:
    exporter.world.bill(1)
    exporter.poll()
    exporter.world.now += 10 * HOUR
    exporter.world.bill(20)
    exporter.start = exporter.world.now + 5 * HOUR
    exporter.restart()
    exporter.poll()
    assert shown(exporter) == {"m": 21}


def test_overcount_is_unknown_before_usage_was_read(exporter: Exporter) -> None:
    assert exporter.totals.overcount is None
    exporter.poll()
    assert exporter.totals.overcount == 0


@SHAPES
def test_a_series_starts_at_the_poll_before_it_appeared(exporter: Exporter) -> None:
    exporter.poll()
    exporter.world.now += 60
    exporter.poll()
    exporter.world.now += 60
    exporter.world.bill(5)
    exporter.poll()
    (total,) = exporter.totals.usage
    assert total.start_ns == int((FIRST + 60) * 1e9)
    assert total.fresh
    exporter.ledger.zero_points_sent([total.id], [])
    assert not exporter.totals.usage[0].fresh
    exporter.restart()
    assert not exporter.totals.usage[0].fresh


def test_a_series_never_starts_in_our_future(exporter: Exporter) -> None:
    exporter.clock = 5 * HOUR
    exporter.poll()
    exporter.clock = 0.0
    exporter.world.bill(5)
    exporter.poll()
    assert exporter.totals.usage[0].start_ns <= int(exporter.now * 1e9)

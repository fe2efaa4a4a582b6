"""Where counting begins, in both shapes."""

from __future__ import annotations

import pytest

from exporter.gateway.readings import UsageShape
from tests.ledger.conftest import FIRST, MakeExporter
from tests.ledger.exporter import Exporter
from tests.ledger.world import HOUR

SHAPES = pytest.mark.parametrize("shape", list(UsageShape))
LOG, ROLLUP = UsageShape.LOG, UsageShape.ROLLUP


def shown(exporter: Exporter) -> dict[str, int]:
    return {total.model: total.cost for total in exporter.totals.usage}


@SHAPES
def test_nothing_before_a_start_at_a_whole_hour_counts(
    make_exporter: MakeExporter, shape: UsageShape
) -> None:
    exporter = make_exporter()
    exporter.shape = shape
    exporter.world.bill(100, back=1)
    exporter.world.bill(1)
    exporter.poll()
    assert shown(exporter) == {"m": 1}


@SHAPES
def test_a_start_in_the_past_is_caught_up(make_exporter: MakeExporter, shape: UsageShape) -> None:
    exporter = make_exporter(back=30 * 24 * HOUR)
    exporter.shape = shape
    for day in range(40):
        exporter.world.bill(1 << day, back=day * 24 * HOUR)
    exporter.poll()
    assert shown(exporter) == {"m": (1 << 31) - 1}
    (total,) = exporter.totals.usage
    assert total.start_ns == int(FIRST * 1e9)  # known to be zero then, by what we had counted


def test_the_log_counts_from_a_start_within_an_hour(make_exporter: MakeExporter) -> None:
    exporter = make_exporter(first=FIRST + 1800)
    exporter.world.bill(100, back=60)
    exporter.world.bill(1)
    exporter.poll()
    assert shown(exporter) == {"m": 1}


def test_the_rollup_takes_what_the_first_hour_held_for_a_baseline(
    make_exporter: MakeExporter,
) -> None:
    exporter = make_exporter(first=FIRST + 1800)
    exporter.shape = ROLLUP
    exporter.world.bill(100, back=60)
    exporter.poll()
    assert shown(exporter) == {"m": 0}
    exporter.world.now += 60
    exporter.world.bill(1)
    exporter.world.bill(5, model="new")  # not there at the baseline: all of it is ours
    exporter.poll()
    assert shown(exporter) == {"m": 1, "new": 5}
    exporter.world.now += HOUR
    exporter.world.bill(7)
    exporter.poll()
    assert shown(exporter) == {"m": 8, "new": 5}


def test_the_baseline_is_the_first_reading_however_late_and_no_other(
    make_exporter: MakeExporter,
) -> None:
    exporter = make_exporter(first=FIRST + 1800)
    exporter.shape = ROLLUP
    exporter.world.bill(100, back=60)
    exporter.world.now += 5 * HOUR
    exporter.world.bill(20)
    exporter.poll()
    exporter.restart()
    exporter.poll()
    assert shown(exporter) == {"m": 20}
    exporter.world.bill(3, back=5 * HOUR - 60)  # late, in the first hour
    exporter.poll()
    exporter.world.now += 30 * HOUR
    exporter.poll()
    assert shown(exporter) == {"m": 23}


def test_what_the_first_hour_loses_below_its_baseline_is_not_ours(
    make_exporter: MakeExporter,
) -> None:
    exporter = make_exporter(first=FIRST + 1800)
    exporter.shape = ROLLUP
    before = exporter.world.bill(100, back=60)
    exporter.poll()
    before.cost = 40
    exporter.poll()
    assert exporter.totals.overcount == 0
    exporter.world.bill(8)
    exporter.poll()
    assert shown(exporter) == {"m": 8}
    exporter.world.calls.remove(before)
    exporter.poll()
    assert shown(exporter) == {"m": 8}


def test_the_first_hour_from_the_rollup_is_made_exact_by_the_log(
    make_exporter: MakeExporter,
) -> None:
    exporter = make_exporter(first=FIRST + 1800)
    exporter.shape = ROLLUP
    exporter.world.bill(100, back=60)
    exporter.world.bill(20)
    exporter.poll()  # the baseline took the 20 for old
    exporter.world.bill(3)
    exporter.poll()
    assert shown(exporter) == {"m": 3}
    exporter.shape = LOG
    exporter.poll()
    exporter.poll()
    assert shown(exporter) == {"m": 23}
    assert exporter.totals.overcount == 0


def test_the_first_hour_from_the_log_goes_on_in_the_rollup(make_exporter: MakeExporter) -> None:
    exporter = make_exporter(first=FIRST + 1800)
    exporter.world.bill(100, back=60)
    exporter.world.bill(20)
    exporter.poll()
    exporter.shape = ROLLUP
    exporter.poll()
    exporter.world.bill(3)
    exporter.poll()
    assert shown(exporter) == {"m": 23}


def test_a_later_start_of_the_process_changes_nothing(make_exporter: MakeExporter) -> None:
    exporter = make_exporter()
    exporter.world.bill(1)
    exporter.poll()
    exporter.world.now += 10 * HOUR
    exporter.world.bill(20)
    exporter.start = exporter.world.now + 5 * HOUR
    exporter.restart()
    exporter.poll()
    assert shown(exporter) == {"m": 21}


def test_overcount_is_unknown_before_usage_was_read(make_exporter: MakeExporter) -> None:
    exporter = make_exporter()
    assert exporter.totals.overcount is None
    exporter.poll()
    assert exporter.totals.overcount == 0


@SHAPES
def test_a_series_starts_at_the_poll_before_it_appeared(
    make_exporter: MakeExporter, shape: UsageShape
) -> None:
    exporter = make_exporter()
    exporter.shape = shape
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


def test_a_series_never_starts_in_our_future(make_exporter: MakeExporter) -> None:
    exporter = make_exporter()
    exporter.clock = 5 * HOUR
    exporter.poll()
    exporter.clock = 0.0
    exporter.world.bill(5)
    exporter.poll()
    assert exporter.totals.usage[0].start_ns <= int(exporter.now * 1e9)

"""A gateway that tells usage by days, by hours and row by row in turn."""

from __future__ import annotations

import pytest

from exporter.gateway.readings import UsageShape
from tests.ledger.conftest import MakeExporter
from tests.ledger.exporter import Exporter
from tests.ledger.world import HOUR, Naming

DAYS, HOURS, LOG = UsageShape.DAYS, UsageShape.ROLLUP, UsageShape.LOG


def follow(exporter: Exporter, shape: UsageShape, hours: float) -> None:
    """Poll every ten minutes; a call of one nano-USD before each."""
    exporter.shape = shape
    for _ in range(int(hours * 6)):
        exporter.world.now += 600
        exporter.world.bill(1)
        exporter.poll()


def poll_too_high(exporter: Exporter, shape: UsageShape, settle: float) -> None:
    exporter.shape, exporter.world.times = shape, 100
    exporter.world.times_since = exporter.world.now - settle
    exporter.poll()
    exporter.world.times = 1


def settled(exporter: Exporter, shape: UsageShape) -> int:
    """What is counted, corrections included, some hours later."""
    exporter.shape = shape
    for _ in range(12):
        exporter.world.now += HOUR / 2
        exporter.poll()
    totals = exporter.totals
    assert totals.overcount is not None
    return sum(total.cost for total in totals.usage) - totals.overcount


@pytest.mark.parametrize("last", list(UsageShape))
@pytest.mark.parametrize("wrong", [HOURS, DAYS])
@pytest.mark.parametrize("first", list(UsageShape))
def test_one_answer_that_is_too_high_is_taken_back_by_any_shape(
    make_exporter: MakeExporter, first: UsageShape, wrong: UsageShape, last: UsageShape
) -> None:
    exporter = make_exporter(settle=6 * HOUR)
    follow(exporter, first, 3)
    poll_too_high(exporter, wrong, 6 * HOUR)
    assert settled(exporter, last) == len(exporter.world.calls)


@pytest.mark.parametrize("between", list(UsageShape))
@pytest.mark.parametrize("hours", [1, 5, 26, 31])
@pytest.mark.parametrize("first", list(UsageShape))
@pytest.mark.parametrize("last", list(UsageShape))
def test_what_is_final_stays_counted_when_the_shape_changes(
    make_exporter: MakeExporter,
    first: UsageShape,
    between: UsageShape,
    last: UsageShape,
    hours: int,
) -> None:
    exporter = make_exporter(settle=HOUR)
    follow(exporter, first, hours)
    follow(exporter, between, 1)
    follow(exporter, last, 1)
    assert settled(exporter, last) == len(exporter.world.calls)
    assert exporter.totals.overcount == 0


def test_a_key_that_gets_a_name_of_its_own_takes_its_part_along(
    make_exporter: MakeExporter,
) -> None:
    exporter = make_exporter()
    exporter.shape, exporter.world.naming = HOURS, Naming.ABSENT
    exporter.world.bill(3, key=1)
    exporter.world.bill(4, key=2)
    exporter.poll()
    exporter.world.naming = Naming.OBJECT
    exporter.poll()
    assert sum(total.cost for total in exporter.totals.usage) == 7
    exporter.world.bill(20, key=1)
    exporter.world.bill(100, key=2)
    exporter.poll()
    assert sum(total.cost for total in exporter.totals.usage) == 127
    assert exporter.totals.overcount == 0

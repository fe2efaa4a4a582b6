"""Rows that appear late, change, or come twice, around outages and crashes."""

from __future__ import annotations

import pytest

from exporter.gateway.readings import KeyRef, UsageRow, UsageShape
from exporter.ledger.cursor import Slice
from exporter.ledger.ledger import Ledger
from tests.ledger.conftest import FIRST, SHAPES
from tests.ledger.exporter import NAME, Exporter
from tests.ledger.world import HOUR

DAY = 24 * HOUR


def poll_for(exporter: Exporter, seconds: float, every: float = HOUR) -> None:
    end = exporter.world.now + seconds
    while exporter.world.now < end:
        exporter.world.now += every
        exporter.poll()


def shown(exporter: Exporter) -> int:
    return sum(total.cost for total in exporter.totals.usage)


@SHAPES
@pytest.mark.parametrize("outage", [2 * HOUR, DAY, 10 * DAY, 85 * DAY])
def test_a_row_that_settles_during_an_outage_is_counted(exporter: Exporter, outage: float) -> None:
    exporter.world.bill(1)
    poll_for(exporter, 3 * DAY)
    # Made long before the outage, settled at the end of its window, within it.
    exporter.world.bill(20, back=46 * HOUR, late=HOUR)
    exporter.world.now += outage
    exporter.world.bill(300)
    poll_for(exporter, DAY)
    assert shown(exporter) == 321


@SHAPES
def test_a_row_that_appears_behind_an_interrupted_sweep_is_counted(exporter: Exporter) -> None:
    exporter.world.bill(1)
    poll_for(exporter, 3 * DAY)
    exporter.ledger.begin_sweep(NAME, "usage", exporter.now)
    exporter.poll(slices=2)
    exporter.world.bill(20, back=47.5 * HOUR, late=1.0)
    exporter.world.now += 20 * HOUR
    exporter.world.bill(300)
    poll_for(exporter, 2 * DAY)
    assert shown(exporter) == 321


@SHAPES
def test_a_correction_downwards_shows_as_overcount(exporter: Exporter) -> None:
    call = exporter.world.bill(100)
    poll_for(exporter, HOUR)
    call.cost = 30
    poll_for(exporter, 2 * DAY)
    assert shown(exporter) == 100
    assert exporter.totals.overcount == 70
    exporter.world.bill(50)
    poll_for(exporter, HOUR)
    assert shown(exporter) == 100  # first the overcount is used up
    assert exporter.totals.overcount == 20
    exporter.world.bill(50)
    poll_for(exporter, HOUR)
    assert (shown(exporter), exporter.totals.overcount) == (130, 0)


def test_a_changed_row_stays_with_the_key_it_was_counted_for(exporter: Exporter) -> None:
    call = exporter.world.bill(10, key=1)
    poll_for(exporter, HOUR)
    call.key, call.cost, call.model = 2, 15, "renamed"
    poll_for(exporter, DAY)
    (total,) = exporter.totals.usage
    assert (total.key_name, total.model, total.cost, total.requests) == ("vision", "m", 15, 1)


def row(request_id: str, cost: int = 1, at: float = FIRST + 10) -> UsageRow:
    return UsageRow(request_id, at, "m", KeyRef("1", "sk…1", "k"), cost, 1, 1)


def test_what_became_of_the_rows_is_told(ledger: Ledger) -> None:
    first = ledger.commit_log(NAME, [row("a"), row("b"), row("a", 5)], None, None, FIRST + 60)
    assert (first.counted, first.duplicate, first.newest) == (2, 1, FIRST + 10)
    again = ledger.commit_log(NAME, [row("b"), row("a", 7)], None, None, FIRST + 60)
    assert (again.counted, again.duplicate) == (1, 1)
    old = ledger.commit_log(NAME, [row("old", at=FIRST - 10)], None, None, FIRST + 60)
    assert (old.counted, old.duplicate, old.newest) == (0, 0, FIRST - 10)
    assert ledger.totals()[NAME].usage[0].cost == 8


@pytest.mark.parametrize("odd", ["a\0b", "é\u2028", "'; --", "%", "x" * 256, " ", "\U0001f600"])
def test_any_request_id_is_recognized(ledger: Ledger, odd: str) -> None:
    for _ in range(3):
        ledger.commit_log(NAME, [row(odd, 5), row(odd[:-1] + "?", 1)], None, None, FIRST)
    assert ledger.totals()[NAME].usage[0].cost == 6


def test_a_batch_counts_before_its_slice_is_done(exporter: Exporter) -> None:
    before = exporter.ledger.cursor(NAME, "usage")
    exporter.ledger.commit_log(NAME, [row("a")], None, None, FIRST + 60)
    assert shown(exporter) == 1
    assert exporter.ledger.cursor(NAME, "usage") == before
    done = Slice(FIRST, FIRST + 3600, True, False)
    exporter.ledger.commit_log(NAME, [], done, FIRST + 10, FIRST + 60)
    assert exporter.ledger.cursor(NAME, "usage").newest == FIRST + 10


def test_a_gateway_that_changes_its_shape_between_two_sweep_slices_is_followed(
    exporter: Exporter,
) -> None:
    for hour in range(60):
        exporter.world.bill(hour, key=1 + hour % 3)
        exporter.shape = (UsageShape.LOG, UsageShape.ROLLUP)[hour % 2]
        exporter.poll(slices=2)
        exporter.world.now += HOUR
    poll_for(exporter, 3 * DAY)
    assert shown(exporter) == sum(range(60))
    assert exporter.totals.overcount == 0


@pytest.mark.parametrize("before", list(UsageShape))
def test_a_switch_reads_everything_that_is_not_final_in_the_new_shape(
    exporter: Exporter, before: UsageShape
) -> None:
    exporter.shape = before
    exporter.world.bill(1)
    poll_for(exporter, 6 * HOUR)
    exporter.world.bill(300)
    exporter.poll()
    exporter.world.bill(20, back=5 * HOUR)
    exporter.shape = UsageShape.LOG if before is UsageShape.ROLLUP else UsageShape.ROLLUP
    exporter.poll()
    assert shown(exporter) == 321
    for number in range(1, 4):
        exporter.world.now += 600
        exporter.world.bill(1000)
        exporter.poll()
        assert shown(exporter) == 321 + number * 1000


def test_the_hour_in_which_the_rollup_ended_is_counted_to_its_end(
    exporter: Exporter,
) -> None:
    exporter.shape = UsageShape.ROLLUP
    exporter.world.now += 600
    exporter.world.bill(1)
    exporter.poll()
    exporter.shape = UsageShape.LOG
    exporter.world.now += 60
    exporter.world.bill(20)
    exporter.world.now += 20 * DAY
    exporter.world.bill(300)
    exporter.poll()
    assert shown(exporter) == 321

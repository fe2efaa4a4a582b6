"""What the state file holds is bounded by the settle window, not by how long we run."""

from __future__ import annotations

import pytest

from exporter.gateway.readings import Transaction, UsageShape
from tests.ledger.conftest import FIRST, MakeExporter
from tests.ledger.exporter import NAME, Exporter
from tests.ledger.test_billing import follow
from tests.ledger.world import HOUR

DAY = 24 * HOUR
SETTLE = 12 * HOUR


def rows_in(exporter: Exporter, table: str) -> int:
    (number,) = exporter.store.db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()
    return int(number)


def live(exporter: Exporter, days: float) -> None:
    """Poll every two hours; a call with every poll."""
    end = exporter.world.now + days * DAY
    while exporter.world.now < end:
        exporter.world.now += 2 * HOUR
        exporter.world.bill(1, model=f"m{len(exporter.world.calls) % 3}")
        exporter.poll()


@pytest.mark.parametrize("shape", list(UsageShape))
def test_weeks_of_usage_leave_a_window_of_marks_and_cells(
    make_exporter: MakeExporter, shape: UsageShape
) -> None:
    exporter = make_exporter(settle=SETTLE)
    exporter.shape = shape
    live(exporter, 7)
    size = exporter.store.db.execute("PRAGMA page_count").fetchone()
    for _ in range(4):
        live(exporter, 7)
        window = 2 * SETTLE / (2 * HOUR) + 1
        assert rows_in(exporter, "usage_mark") <= window
        assert 0 < rows_in(exporter, "cell") <= window
    assert exporter.store.db.execute("PRAGMA page_count").fetchone() <= (size[0] + 2,)
    assert sum(total.requests for total in exporter.totals.usage) == len(exporter.world.calls)


@pytest.mark.parametrize("outage", [False, True])
def test_a_long_history_is_caught_up_within_a_window_of_marks(
    make_exporter: MakeExporter, outage: bool
) -> None:
    exporter = make_exporter(back=0.0 if outage else 60 * DAY, settle=SETTLE)
    if outage:
        exporter.poll()
        exporter.world.now += 60 * DAY
    for number in range(60 * 12):
        exporter.world.bill(1, back=(number + 0.5) * 2 * HOUR)
    exporter._span = HOUR
    while not exporter.poll(slices=1):
        assert rows_in(exporter, "usage_mark") < 40
    [total] = exporter.totals.usage
    assert total.cost == 60 * 12
    assert total.start_ns == int(FIRST * 1e9)  # known to be zero then, by what we had counted


def test_weeks_of_transactions_leave_a_window_of_marks(make_exporter: MakeExporter) -> None:
    exporter = make_exporter(settle=SETTLE)
    known: list[tuple[Transaction, float]] = []
    now = exporter.world.now
    for number in range(200):
        now += 2 * HOUR
        known.append((Transaction(str(number), now, "topup", 1), now))
        follow(exporter.ledger, known, now)
    assert rows_in(exporter, "transaction_mark") <= 2 * SETTLE / (2 * HOUR) + 1
    assert exporter.ledger.totals()[NAME].billing[0].count == 200

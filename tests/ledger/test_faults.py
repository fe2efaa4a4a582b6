"""A disk that fails, or a process that ends, before any single statement of any commit."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest

from exporter.errors import StateError
from exporter.gateway.readings import AccountReading, Transaction, UsageShape
from exporter.ledger.totals import AccountTotals
from tests.ledger.conftest import MakeExporter
from tests.ledger.exporter import NAME, DiedError, Exporter
from tests.ledger.world import HOUR, Naming

Step = Callable[[Exporter], None]


def usage_in_both_shapes(exporter: Exporter) -> None:
    exporter.poll()


def switch_of_shape(exporter: Exporter) -> None:
    log = exporter.shape is UsageShape.LOG
    exporter.shape = UsageShape.ROLLUP if log else UsageShape.LOG
    exporter.poll()
    exporter.shape = UsageShape.LOG if log else UsageShape.ROLLUP


def sweep(exporter: Exporter) -> None:
    exporter.ledger.begin_sweep(NAME, "usage", exporter.now)
    exporter.poll()


def account(exporter: Exporter) -> None:
    spent = sum(call.cost for call in exporter.world.calls)
    reading = AccountReading(exporter.now, "88", 1.0, None, 5, 7, spent)
    exporter.ledger.commit_account(NAME, reading)


def transactions(exporter: Exporter) -> None:
    items = [Transaction(str(n), exporter.start + n, "topup", 1 << n) for n in range(5)]
    exporter.ledger.commit_transactions(NAME, items, None, None, exporter.now)


STEPS = pytest.mark.parametrize(
    "step", [usage_in_both_shapes, switch_of_shape, sweep, account, transactions]
)


def prepared(make_exporter: MakeExporter, shape: UsageShape) -> Exporter:
    """Some usage is counted, some not yet, some has changed."""
    exporter = make_exporter()
    exporter.shape, exporter.world.naming = shape, Naming.MASKED
    first = exporter.world.bill(1)
    exporter.world.bill(20, model="n")
    exporter.poll()
    account(exporter)
    exporter.world.now += HOUR
    first.cost = 4
    for number in range(5):
        exporter.world.bill(300, key=1 + number % 3)
    return exporter


def comparable(totals: AccountTotals) -> tuple[object, ...]:
    usage = {(t.key_id, t.model): (t.cost, t.requests, t.start_ns) for t in totals.usage}
    billing = {(t.kind, t.direction): (t.amount, t.count) for t in totals.billing}
    return usage, billing, totals.overcount, totals.spent, totals.topup


@STEPS
@pytest.mark.parametrize("shape", list(UsageShape))
@pytest.mark.parametrize("dies", [False, True])
def test_a_commit_that_is_cut_off_anywhere_happens_once(
    make_exporter: MakeExporter, step: Step, shape: UsageShape, dies: bool
) -> None:
    untroubled = prepared(make_exporter, shape)
    step(untroubled)
    after, cut = 0, True
    while cut:
        exporter = prepared(make_exporter, shape)
        before = {t.id: t.cost for t in exporter.totals.usage}
        error = DiedError if dies else (lambda: sqlite3.OperationalError("disk I/O error"))
        exporter.faulty.strike(after, error)
        try:
            step(exporter)
        except (StateError, DiedError):
            exporter.faulty.left = -1
            if dies:
                exporter.restart()
        else:
            cut = False
        exporter.faulty.left = -1
        visible = {t.id: t.cost for t in exporter.totals.usage}
        assert all(visible[id_] >= cost for id_, cost in before.items())
        step(exporter)
        assert comparable(exporter.totals) == comparable(untroubled.totals)
        exporter.store.close()
        after += 1
    assert after > 3

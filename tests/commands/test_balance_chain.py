"""The chain of balances: what movements and usage do not explain, and what only came late."""

from __future__ import annotations

from exporter.books.balance_chain import Spent, breaks
from exporter.gateway.readings import Stage, Transaction

USD = 1_000_000_000
MINUTE, HOUR = 60.0, 3600.0
NOON = 1_779_364_800.0


def movement(at: float, usd: int, after: int, stage: Stage = Stage.GOOD) -> Transaction:
    return Transaction(f"at {at:g}", NOON + at, "topup", usd * USD, stage, after * USD)


def found(
    items: list[Transaction], calls: dict[float, int], width: float = MINUTE
) -> list[tuple[float, float]]:
    costs: dict[int, int] = {}
    for at, usd in calls.items():
        begin = int((NOON + at) // width * width)
        costs[begin] = costs.get(begin, 0) + usd * USD
    newest_first = sorted(items, key=lambda item: -item.created_at)
    return [
        (one.item.created_at - NOON, one.missing / USD)
        for one in breaks(newest_first, Spent(costs, width))
    ]


def test_movements_and_usage_explain_the_balance() -> None:
    items = [movement(0, 50, 50), movement(5 * HOUR, 20, 63), movement(9 * HOUR, 5, 66)]
    assert found(items, {HOUR: 4, 2 * HOUR: 3, 6 * HOUR: 2}) == []
    assert found(items, {HOUR: 4, 2 * HOUR: 3, 6 * HOUR: 2}, HOUR) == []


def test_money_that_is_gone_for_nothing_breaks_it_there_and_once() -> None:
    items = [
        movement(0, 50, 50),
        movement(5 * HOUR, 20, 60),
        movement(9 * HOUR, 5, 65),
        movement(12 * HOUR, 1, 66),
    ]
    [(at, missing)] = found(items, {HOUR: 3})
    assert at == 5 * HOUR
    assert round(missing) == 7


def test_money_that_nobody_paid_in_breaks_it() -> None:
    [(at, missing)] = found([movement(0, 50, 50), movement(5 * HOUR, 20, 90)], {})
    assert (at, round(missing)) == (5 * HOUR, -20)


def test_usage_that_was_not_charged_breaks_it() -> None:
    [(_, missing)] = found([movement(0, 50, 50), movement(5 * HOUR, 20, 70)], {HOUR: 9})
    assert round(missing) == -9


def test_a_task_that_is_charged_hours_after_its_row_is_no_break() -> None:
    items = [movement(0, 50, 50), movement(5 * HOUR, 20, 70), movement(9 * HOUR, 5, 66)]
    assert found(items, {HOUR: 9}) == []


def test_a_call_under_way_while_a_movement_is_made_is_no_break() -> None:
    items = [movement(0, 50, 50), movement(5 * HOUR, 20, 70)]
    assert found(items, {5 * HOUR - 30: 9}) == []


def test_what_is_pending_or_failed_is_no_link() -> None:
    pending = movement(HOUR, 30, 50, Stage.PENDING)
    failed = movement(2 * HOUR, 30, 50, Stage.FAILED)
    assert found([movement(0, 50, 50), pending, failed, movement(3 * HOUR, 1, 51)], {}) == []


def test_a_chain_that_tells_less_than_cents_breaks_by_less_than_a_cent() -> None:
    exact = Transaction("1", NOON, "topup", USD, Stage.GOOD, USD + 1_000_000)
    after = Transaction("2", NOON + HOUR, "topup", USD, Stage.GOOD, 2 * USD)
    assert [one.missing for one in breaks([after, exact], Spent({}, MINUTE))] == [999_000]

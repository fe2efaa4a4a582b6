"""The request budget, and the part of it that bulk requests leave to the others."""

from __future__ import annotations

import pytest

from exporter.gateway.budget import RequestBudget
from tests.clock import VirtualClock
from tests.gateway.fakes import run


class Bench:
    """A budget, and when each request was allowed."""

    def __init__(self, limit: int) -> None:
        self.clock = VirtualClock(skips=True)
        self._budget = RequestBudget(limit, self.clock)

    def take(self, number: int, *, bulk: bool) -> list[float]:
        async def work() -> list[float]:
            allowed = []
            for _ in range(number):
                await self._budget.take(bulk=bulk)
                allowed.append(self.clock.monotonic())
            return allowed

        return run(work())


@pytest.mark.parametrize(("limit", "reserved"), [(2, 1), (10, 1), (19, 1), (20, 2), (300, 30)])
def test_bulk_requests_leave_a_tenth_of_the_budget(limit: int, reserved: int) -> None:
    bench = Bench(limit)
    assert bench.take(limit - reserved, bulk=True)[-1] == 0
    assert bench.take(reserved, bulk=False)[-1] == 0
    assert bench.take(1, bulk=False) == [60]


def test_bulk_requests_wait_for_their_own_share() -> None:
    bench = Bench(300)
    assert bench.take(271, bulk=True)[-2:] == [0, 60]


def test_others_may_use_all_of_it() -> None:
    bench = Bench(300)
    assert bench.take(301, bulk=False)[-2:] == [0, 60]
    assert bench.take(1, bulk=True) == [60]


def test_a_budget_of_one_still_allows_bulk_requests() -> None:
    assert Bench(1).take(3, bulk=True) == [0, 60, 120]

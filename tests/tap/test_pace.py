"""When the account may be asked less often, and when it must be asked at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import AuthError, Outcome, RateLimitedError, ServerError
from exporter.gateway.readings import AccountReading, Endpoint, Envelope, Observation, Source
from exporter.metrics.snapshot import take
from exporter.polling.pace import NEAR, is_near, wanted_interval
from exporter.polling.poller import SOONEST
from exporter.tap.intake import Intake
from tests.daemon.fakes import NOW, USD, Scene, scene
from tests.daemon.test_poller import gaps, poller
from tests.tap.test_intake import OWN, intake, live, seen

pytestmark = pytest.mark.anyio

ACCOUNT = Endpoint.ACCOUNT


def reading(available: int, threshold: int | None = 5 * USD) -> AccountReading:
    return AccountReading(
        NOW, available=available, low_balance_threshold=threshold, low_balance_flagged=False
    )


def test_without_observations_the_pace_is_the_usual_one() -> None:
    account = live().accounts["prod"]
    account.account = reading(31 * USD)
    account.endpoints[ACCOUNT].succeeded(NOW, 0.1)
    account.own_key = OWN
    assert wanted_interval(account, NOW) == 60.0


@pytest.mark.parametrize("missing", ["nothing", "own key", "freshness", "success", "distance"])
def test_the_pace_is_relaxed_only_where_nothing_is_lost_by_it(missing: str) -> None:
    made = live()
    account = made.accounts["prod"]
    account.account = reading((9 if missing == "distance" else 31) * USD)
    account.endpoints[ACCOUNT].succeeded(NOW, 0.1)
    if missing == "success":
        account.endpoints[ACCOUNT].failed(NOW, 0.1, Outcome.NETWORK, "gone", False)
    account.own_key = None if missing == "own key" else OWN
    intake(made).take(seen())
    now = NOW + (61 if missing == "freshness" else 59)
    assert wanted_interval(account, now) == (600.0 if missing == "nothing" else 60.0)


@given(st.integers(0, 40 * USD), st.lists(st.integers(0, 20 * USD), max_size=6))
def test_what_is_seen_to_be_spent_brings_the_balance_near(balance: int, left: list[int]) -> None:
    made = live()
    account = made.accounts["prod"]
    account.account = reading(balance)
    tap = intake(made)
    for number, remaining in enumerate(left):
        tap.take(seen(at=NOW + number, remaining=remaining))
    fallen = sum(max(0, a - b) for a, b in pairwise(left))
    assert is_near(account) is (balance - fallen <= NEAR * 5 * USD)


@pytest.mark.parametrize("threshold", [None, 5 * USD])
def test_a_threshold_that_is_not_known_counts_as_near(threshold: int | None) -> None:
    account = live().accounts["prod"]
    account.account = reading(10**6 * USD, threshold)
    assert is_near(account) is (threshold is None)


def test_the_organizations_wallet_counts_too() -> None:
    made = live()
    made.accounts["prod"].account = reading(1000 * USD)
    intake(made).take(seen(org_quota_remaining=9 * USD))
    assert is_near(made.accounts["prod"])
    assert made.accounts["prod"].endpoints[ACCOUNT].asked.is_set()


@asynccontextmanager
async def watching(made: Scene) -> AsyncIterator[Intake]:
    """The account is polled, with a tap, while the block runs."""
    made.account.relaxed = 600.0
    task = asyncio.create_task(poller(made).run(ACCOUNT, 0.0))
    try:
        yield Intake(made.live, None, made.clock, made.throttle)
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def use(made: Scene, tap: Intake, seconds: float, status: int = 200) -> None:
    """An application calls every ten seconds with the account's own key."""
    for _ in range(int(seconds / 10)):
        await made.clock.advance(10)
        envelope = Envelope(made.clock.now(), made.account.own_key or "")
        tap.take(Observation(Source.PROXY, status, envelope))


def rich(made: Scene) -> None:
    """Its balance is far from its threshold."""
    made.gateway.threshold = 5 * USD


async def test_a_fresh_tap_saves_nine_of_ten_polls_and_its_end_is_noticed(tmp_path: Path) -> None:
    with scene(tmp_path) as made:
        rich(made)
        async with watching(made) as tap:
            await use(made, tap, 3600)
            assert 5 <= len(made.gateway.of(ACCOUNT)) <= 9
            assert made.account.endpoints[ACCOUNT].interval == 600.0
            assert not made.account.endpoints[ACCOUNT].stale(made.clock.now())
            before = len(made.gateway.of(ACCOUNT))
            await made.clock.advance(60 + 70 + 5)
            assert len(made.gateway.of(ACCOUNT)) > before
            await made.clock.advance(600)
            assert all(54 <= gap <= 66 for gap in gaps(made, ACCOUNT)[-8:])


async def test_a_refusal_on_traffic_is_followed_by_a_poll_within_seconds(tmp_path: Path) -> None:
    with scene(tmp_path) as made:
        rich(made)
        async with watching(made) as tap:
            await use(made, tap, 300)
            before = len(made.gateway.of(ACCOUNT))
            await use(made, tap, 10, status=402)
            await made.clock.advance(0.1)
            assert len(made.gateway.of(ACCOUNT)) == before + 1


async def test_a_storm_of_refusals_costs_a_poll_every_fifteen_seconds(tmp_path: Path) -> None:
    with scene(tmp_path) as made:
        async with watching(made) as tap:
            await use(made, tap, 600, status=429)
            assert min(gaps(made, ACCOUNT)) >= SOONEST
            assert len(made.gateway.of(ACCOUNT)) >= 600 / 30


async def test_a_wait_that_the_gateway_asked_for_is_kept_whoever_asks(tmp_path: Path) -> None:
    with scene(tmp_path) as made:
        async with watching(made) as tap:
            await made.clock.advance(1)
            made.gateway.failing[ACCOUNT] = RateLimitedError("slow down", retry_after=500.0)
            await made.clock.advance(70)
            before = len(made.gateway.of(ACCOUNT))
            await use(made, tap, 420, status=429)
            assert len(made.gateway.of(ACCOUNT)) == before


async def test_what_was_read_stays_known_while_the_pace_is_relaxed(tmp_path: Path) -> None:
    with scene(tmp_path) as made:
        rich(made)
        async with watching(made) as tap:
            await use(made, tap, 1200)
            for _ in range(60):
                await use(made, tap, 10)
                shown = {
                    point.metric.name for point in take(made.live, {}, made.clock.now()).points
                }
                assert "bytespike.wallet.balance" in shown


def known(made: Scene) -> bool:
    """Whether the balance is shown."""
    points = take(made.live, {}, made.clock.now()).points
    return "bytespike.wallet.balance" in {point.metric.name for point in points}


@pytest.mark.parametrize("ends", ["traffic", "gateway"])
async def test_what_was_read_at_leisure_is_not_lost_the_moment_the_pace_tightens(
    tmp_path: Path, ends: str
) -> None:
    with scene(tmp_path) as made:
        rich(made)
        async with watching(made) as tap:
            await use(made, tap, 900)
            made.gateway.failing[ACCOUNT] = ServerError("down")
            tightened = made.account.endpoints[ACCOUNT]
            while tightened.interval == 600.0:
                assert known(made)
                await (use(made, tap, 10) if ends == "gateway" else made.clock.advance(10))
            await made.clock.advance(160)
            assert known(made)
            await made.clock.advance(30)
            assert not known(made)


async def test_a_key_that_is_refused_while_the_pace_is_relaxed_is_asked_as_slowly_as_ever(
    tmp_path: Path,
) -> None:
    with scene(tmp_path) as made:
        rich(made)
        async with watching(made) as tap:
            await use(made, tap, 900)
            made.gateway.failing[ACCOUNT] = AuthError("revoked")
            await use(made, tap, 3600, status=401)
            assert all(gap <= 330 for gap in gaps(made, ACCOUNT)[-8:])


async def test_a_key_that_was_exchanged_is_known_and_tried_within_seconds(tmp_path: Path) -> None:
    with scene(tmp_path) as made:
        rich(made)
        async with watching(made) as tap:
            await use(made, tap, 900)
            before = len(made.gateway.of(ACCOUNT))
            made.gateway.masked_key = "sk-byts-…next"
            await made.clock.advance(10)
            assert made.account.own_key == "sk-byts-…next"
            assert len(made.gateway.of(ACCOUNT)) == before + 1


async def test_a_gateway_that_fails_while_the_pace_is_relaxed_is_asked_as_usual(
    tmp_path: Path,
) -> None:
    with scene(tmp_path) as made:
        rich(made)
        async with watching(made) as tap:
            await use(made, tap, 900)
            made.gateway.failing[ACCOUNT] = ServerError("down")
            await use(made, tap, 1800)
            assert all(gap <= 70 for gap in gaps(made, ACCOUNT)[-10:])

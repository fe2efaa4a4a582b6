"""When an account is asked, and what becomes of every error."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import (
    AuthError,
    GatewayError,
    GatewayTimeoutError,
    NetworkError,
    Outcome,
    QuotaSpentError,
    RateLimitedError,
    StateError,
)
from exporter.gateway.readings import Endpoint, Envelope, Observation, Source, UsageShape
from exporter.gateway.recognized import Recognized, UsageForm
from exporter.live import LiveAccount
from exporter.polling.poller import FAILURES, JITTER, SOONEST, AccountPoller, wait_after
from exporter.tap.intake import Intake
from tests.clock import NOW
from tests.daemon.fakes import INTERVALS, NAME, USD, Scene, back

pytestmark = pytest.mark.anyio

ACCOUNT, USAGE, TRANSACTIONS = Endpoint.ACCOUNT, Endpoint.USAGE, Endpoint.TRANSACTIONS


def poller(made: Scene, account: LiveAccount | None = None) -> AccountPoller:
    return AccountPoller(
        made.live,
        account or made.account,
        made.gateway,  # type: ignore[arg-type]
        made.ledger,
        made.worker,
        made.clock,
        made.throttle,
    )


@asynccontextmanager
async def polling(made: Scene) -> AsyncIterator[None]:
    """Polls run while the block does; they must not end by themselves."""
    one = poller(made)
    tasks = [asyncio.create_task(one.run(endpoint, 0.0)) for endpoint in one.endpoints]
    try:
        yield
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def gaps(made: Scene, endpoint: Endpoint) -> list[float]:
    """Seconds between the polls of an endpoint."""
    times = [when for when, _, _ in made.gateway.of(endpoint)]
    return [later - earlier for earlier, later in pairwise(times)]


def lines(caplog: pytest.LogCaptureFixture, words: str) -> list[str]:
    return [r.getMessage() for r in caplog.records if words in r.getMessage() and r.levelno > 10]


async def test_every_wait_is_the_interval_give_or_take_a_tenth(made: Scene) -> None:
    async with polling(made):
        await made.clock.advance(3600)
    for endpoint, status in made.account.endpoints.items():
        waits = gaps(made, endpoint)
        if endpoint is TRANSACTIONS:
            waits = waits[1:]  # the look back comes directly before the first poll
        if endpoint is USAGE:
            waits = [wait for wait in waits if wait]  # a sweep follows its round at once
        assert len(waits) > 5
        least, most = status.interval * (1 - JITTER), status.interval * (1 + JITTER)
        assert all(least - 1e-6 <= wait <= most + 1e-6 for wait in waits)
        assert max(waits) - min(waits) > status.interval * JITTER / 2


async def test_a_success_is_recorded_with_its_time_and_the_next_poll(made: Scene) -> None:
    made.gateway.cost = 2.0
    async with polling(made):
        await made.clock.advance(10)
        status = made.account.endpoints[ACCOUNT]
        assert (status.up, status.last_success, status.last_error) == (True, NOW + 2, None)
        assert status.duration.sum == 2.0
        assert status.next_poll is not None
        assert NOW + 54 <= status.next_poll <= NOW + 66
        assert made.account.account is not None
        assert made.account.account.available == 31 * USD


async def test_a_failing_endpoint_leaves_the_others_alone(made: Scene) -> None:
    made.gateway.failing[USAGE] = GatewayTimeoutError("no answer")
    async with polling(made):
        await made.clock.advance(900)
    polls = {e: status.polls for e, status in made.account.endpoints.items()}
    assert set(polls[USAGE]) == {Outcome.TIMEOUT}
    assert set(polls[ACCOUNT]) == set(polls[TRANSACTIONS]) == {Outcome.SUCCESS}
    assert polls[ACCOUNT][Outcome.SUCCESS] >= 13
    assert made.account.endpoints[USAGE].up is False


async def test_a_refused_key_is_asked_slowly_and_its_repair_is_noticed(made: Scene) -> None:
    made.gateway.failing[ACCOUNT] = AuthError("the key is wrong")
    async with polling(made):
        await made.clock.advance(1500)
        assert all(270 <= wait <= 330 for wait in gaps(made, ACCOUNT))
        assert made.account.endpoints[ACCOUNT].last_outcome is Outcome.AUTH
        del made.gateway.failing[ACCOUNT]
        await made.clock.advance(330)
        assert made.account.endpoints[ACCOUNT].up is True


async def test_a_changed_key_file_wakes_a_poll_that_waits_for_it(made: Scene) -> None:
    made.gateway.version = "first"
    made.gateway.failing[ACCOUNT] = AuthError("the key is wrong", retry_after=3000)
    async with polling(made):
        await made.clock.advance(100)
        assert len(made.gateway.of(ACCOUNT)) == 1
        made.gateway.version = "second"
        await made.clock.advance(5.1)
        assert len(made.gateway.of(ACCOUNT)) == 2
        del made.gateway.failing[ACCOUNT]
        await made.clock.advance(1000)
        assert len(made.gateway.of(ACCOUNT)) == 2, "it is the same key as before"
        made.gateway.version = "third"
        await made.clock.advance(5.1)
        assert made.account.endpoints[ACCOUNT].up is True


async def test_a_key_file_that_changed_during_the_refused_poll_is_noticed(made: Scene) -> None:
    made.gateway.version = "first"
    made.gateway.cost = 2.0
    made.gateway.failing[ACCOUNT] = AuthError("the key is wrong")
    async with polling(made):
        await made.clock.advance(1)
        made.gateway.version = "second"
        await made.clock.advance(1.5)
        assert len(made.gateway.of(ACCOUNT)) == 2


@given(asked=st.floats(0, 3600))
def test_the_gateways_wish_to_be_left_alone_is_honoured(asked: float) -> None:
    wait = wait_after(60.0, RateLimitedError("slow down", retry_after=asked))
    assert wait >= asked
    assert 54 - 1e-6 <= wait <= max(asked, 66 + 1e-6)


async def test_an_empty_wallet_is_no_outage_of_the_gateway(made: Scene) -> None:
    made.gateway.failing[ACCOUNT] = QuotaSpentError("the wallet is empty")
    await poller(made).poll_once()
    status = made.account.endpoints[ACCOUNT]
    assert (status.up, status.last_outcome) == (True, Outcome.OUT_OF_MONEY)
    assert status.last_success is None


async def test_a_state_that_cannot_be_written_keeps_the_account_gauges(
    made: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "exporter")
    made.worker.broken = StateError("the disk is full")
    async with polling(made):
        await made.clock.advance(200)
        account = made.account.endpoints[ACCOUNT]
        assert (account.up, account.last_error) == (True, None)
        assert account.polls == {Outcome.SUCCESS: 4}
        assert made.account.account is not None
        assert made.account.endpoints[USAGE].last_success is None
        assert (made.live.state_writable, made.live.state_error) == (
            False,
            "the disk is full",
        )
        assert len(lines(caplog, "the disk is full")) == 1
        made.worker.broken = None
        await made.clock.advance(66)
        assert (made.live.state_writable, made.live.state_error) == (True, None)
        assert len(lines(caplog, "can be written again")) == 1
    assert made.account.endpoints[USAGE].last_success is not None


async def test_trouble_is_said_once_and_so_are_its_change_and_its_end(
    made: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "exporter")
    made.gateway.failing[ACCOUNT] = NetworkError("no connection: check base_url")
    async with polling(made):
        await made.clock.advance(550)
        made.gateway.failing[ACCOUNT] = AuthError("the key is wrong")
        await made.clock.advance(100)
        del made.gateway.failing[ACCOUNT]
        await made.clock.advance(330)
    said = [line.removeprefix("Account prod: account poll ") for line in lines(caplog, "poll")]
    assert said[:2] == ["failed: no connection: check base_url", "failed: the key is wrong"]
    assert said[2].startswith("works again")


async def test_how_usage_is_read_is_logged_once_and_when_it_changes(
    made: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "exporter")
    one = poller(made)
    for path, shape in (("/a", UsageShape.LOG), ("/a", UsageShape.LOG), ("/a", UsageShape.ROLLUP)):
        made.gateway.recognized = Recognized(UsageForm(path, shape))
        await one.poll_once()
    assert lines(caplog, "usage comes") == [
        "Account prod: usage comes as log from /a",
        "Account prod: usage comes as rollup from /a",
    ]
    made.gateway.recognized = Recognized()
    await one.poll_once()
    assert made.account.recognized.usage == UsageForm("/a", UsageShape.ROLLUP)


async def test_an_outage_of_a_thousand_accounts_is_told_in_a_few_lines(
    made: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "exporter")
    names = [f"a{number}" for number in range(300)]
    made.ledger.open_accounts(names, NOW, NOW)
    pollers = [poller(made, LiveAccount(name, dict(INTERVALS))) for name in names]
    made.gateway.failing = dict.fromkeys(Endpoint, NetworkError("down"))
    for one in pollers:
        await one.poll_once()
    told = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(told) == FAILURES + 1
    assert "the status page shows all of them" in told[-1].getMessage()
    caplog.clear()
    made.gateway.failing = {ACCOUNT: AuthError("another trouble is told")}
    await pollers[0].poll_once()
    assert len(lines(caplog, "another trouble is told")) == 1
    caplog.clear()
    made.gateway.failing = {}
    for one in pollers:
        await one.poll_once()
    assert sum("works again" in r.getMessage() for r in caplog.records) == 898
    assert len(lines(caplog, "works again")) == FAILURES - 2


@back(86400 * 30)
async def test_one_round_polls_every_endpoint_to_its_end(made: Scene) -> None:
    made.gateway.cost = 20.0
    for day in range(30):
        made.gateway.bill(NOW - 86_400 * day - 1, number=7)
    made.gateway.failing[TRANSACTIONS] = GatewayError("broken")
    round_ = asyncio.create_task(poller(made).poll_once())
    await made.clock.advance(3600)
    (error,) = round_.result()
    assert str(error) == "broken"
    assert made.requests == 210
    assert made.ledger.cursor(NAME, "usage").caught_up


async def use(made: Scene, seconds: float, status: int) -> None:
    """An application calls every ten seconds, and the tap tells of it."""
    tap = Intake(made.live, None, made.clock, made.throttle)
    for _ in range(int(seconds / 10)):
        await made.clock.advance(10)
        envelope = Envelope(made.clock.now(), made.account.own_key or "")
        tap.take(Observation(Source.LOG, status, envelope))


@pytest.mark.parametrize("status", [402, 429])
async def test_a_refusal_on_traffic_is_followed_by_a_poll_within_seconds(
    made: Scene, status: int
) -> None:
    async with polling(made):
        await use(made, 20, 200)
        assert len(made.gateway.of(ACCOUNT)) == 1
        await use(made, 10, status)
        await made.clock.advance(0.1)
        assert len(made.gateway.of(ACCOUNT)) == 2


async def test_a_storm_of_refusals_costs_a_poll_every_fifteen_seconds(made: Scene) -> None:
    async with polling(made):
        await use(made, 600, 429)
        assert min(gaps(made, ACCOUNT)) >= SOONEST
        assert len(made.gateway.of(ACCOUNT)) >= 600 / 30


async def test_a_wait_that_the_gateway_asked_for_is_kept_whoever_asks(made: Scene) -> None:
    async with polling(made):
        await made.clock.advance(1)
        made.gateway.failing[ACCOUNT] = RateLimitedError("slow down", retry_after=500.0)
        await made.clock.advance(70)
        before = len(made.gateway.of(ACCOUNT))
        await use(made, 420, 429)
        assert len(made.gateway.of(ACCOUNT)) == before

"""Rows wait until their unit is known, and whatever happens meanwhile each counts once."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.gateway.readings import Endpoint
from exporter.ledger.credit_unit import POLLS, Why
from exporter.ledger.ledger import Ledger, Rules
from exporter.polling.follower import Follower
from exporter.polling.usage_reader import UsageReader
from tests.clock import NOW
from tests.daemon.fakes import DAY, NAME, USD, Scene, back, reader_of, scene

pytestmark = pytest.mark.anyio
MICRO = 1_000_000


def follower(made: Scene) -> Follower:
    status = made.account.endpoints[Endpoint.USAGE]
    return Follower(reader_of(UsageReader, made), made.clock, status, made.throttle)


async def poll_account(made: Scene) -> None:
    made.ledger.commit_account(NAME, await made.gateway.account())


def without_tokens(made: Scene) -> None:
    made.gateway.rows = [
        msgspec.structs.replace(row, input_tokens=0, output_tokens=0) for row in made.gateway.rows
    ]


@pytest.mark.parametrize("unit", [1, MICRO])
@back(60.0)
async def test_the_first_answer_decides_where_tokens_have_a_price(made: Scene, unit: int) -> None:
    made.gateway.unit = unit
    made.gateway.bill(NOW - 30, cost=9_120_000)
    made.gateway.bill(NOW - 20, cost=1_000)
    await follower(made).round()
    assert (made.cost, made.requests) == (9_121_000, 2)
    assert made.ledger.credit_unit(NAME).per_usd == unit


@pytest.mark.parametrize("unit", [1, MICRO])
@back(60.0)
async def test_rows_wait_for_lifetime_spend_and_then_count_once_from_zero(
    made: Scene, unit: int
) -> None:
    made.gateway.unit = unit
    await poll_account(made)
    reads = follower(made)
    made.gateway.bill(NOW + 1, cost=3 * USD)
    without_tokens(made)
    await reads.round()
    assert made.ledger.totals_of(NAME).usage == ()
    assert not made.ledger.cursor(NAME, "usage").caught_up
    await poll_account(made)
    await reads.round()
    (series,) = made.ledger.totals_of(NAME).usage
    assert (series.cost, series.requests, series.fresh) == (3 * USD, 1, True)
    assert made.ledger.credit_unit(NAME).why is Why.LIFETIME


@pytest.mark.parametrize("unit", [1, MICRO])
@back(60.0)
async def test_a_rollup_beside_the_log_is_asked_before_rows_wait(made: Scene, unit: int) -> None:
    made.gateway.unit, made.gateway.has_rollup = unit, True
    made.gateway.bill(NOW - 30, cost=3 * USD)
    without_tokens(made)
    await follower(made).round()
    assert made.cost == 3 * USD
    assert made.ledger.credit_unit(NAME).why is Why.ROLLUP


@back(60.0)
async def test_where_nothing_decides_rows_count_as_documented_with_the_tenth_poll(
    made: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    made.gateway.unit = MICRO
    made.gateway.bill(NOW - 30, cost=3 * USD)
    without_tokens(made)
    for poll in range(1, POLLS):
        await follower(made).round()  # as after a restart
        assert made.ledger.credit_unit(NAME).polls == poll
        assert made.requests == 0
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]
    await follower(made).round()
    assert made.cost == 3 * USD
    assert "nothing in 10 polls told" in caplog.text


@back(30 * DAY)
async def test_a_long_history_that_waits_counts_the_polls_and_not_its_slices(made: Scene) -> None:
    made.gateway.unit = MICRO
    for day in range(30):
        made.gateway.bill(NOW - day * DAY - 60, cost=3 * USD)
    without_tokens(made)
    reads = follower(made)
    for poll in range(1, POLLS):
        await reads.round()
        assert made.ledger.credit_unit(NAME).polls == poll
    await reads.round()
    await reads.round()
    assert made.cost == 90 * USD


@back(60.0)
async def test_a_contradiction_is_told_and_not_followed(
    made: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    made.ledger = Ledger(made.store, Rules(credits_per_usd=MICRO))
    made.ledger.open_accounts([NAME], NOW - 60, NOW)
    made.gateway.unit = 1
    made.gateway.bill(NOW - 50, cost=5 * USD)
    reads = follower(made)
    for minute in range(5):
        await poll_account(made)
        made.ledger.begin_sweep(NAME, "usage", made.clock.now())
        await reads.round()
        await made.clock.advance(60)
        made.gateway.bill(NOW + minute * 60 + 1, cost=5 * USD)
    unit = made.ledger.totals_of(NAME).unit
    assert (unit.per_usd, unit.contradicted) == (MICRO, 1)
    assert "by the growth of lifetime spend 1 credit is 1 USD" in caplog.text
    assert made.cost < USD


@dataclass
class Trial:
    """What a random world does, step by step."""

    unit: int
    steps: list[str] = field(default_factory=list)


STEPS = st.lists(
    st.sampled_from(["bill", "image", "fraction", "account", "poll", "restart", "rollup", "later"]),
    min_size=4,
    max_size=24,
)


@given(st.sampled_from([1, MICRO]), STEPS)
async def test_whatever_tells_the_unit_and_when_each_row_counts_once_in_it(
    tmp_path_factory: pytest.TempPathFactory, unit: int, steps: list[str]
) -> None:
    folder: Path = tmp_path_factory.mktemp("unit")
    with scene(folder, back=60.0) as made:
        made.gateway.unit = unit
        await poll_account(made)
        reads = follower(made)
        for step in [*steps, "price", "account", *["poll"] * 3]:
            reads = await act(made, reads, step)
            shown, unit_known = made.cost, made.ledger.credit_unit(NAME).per_usd
            assert unit_known in (None, unit)
            assert shown == 0 or unit_known == unit
            assert shown <= made.gateway.spent
        assert made.cost == made.gateway.spent
        assert made.requests == len(made.gateway.rows)


async def act(made: Scene, reads: Follower, step: str) -> Follower:
    gateway, now = made.gateway, made.clock.now()
    match step:
        case "price":
            gateway.bill(now, cost=2_064_000)
        case "bill":
            gateway.bill(now, cost=9_120_000)
        case "image" | "fraction":
            gateway.bill(now, cost=3 * USD if step == "image" else 1_470_000_000)
            gateway.rows[-1] = msgspec.structs.replace(
                gateway.rows[-1], input_tokens=0, output_tokens=0
            )
        case "account":
            await poll_account(made)
        case "poll":
            await reads.round()
        case "rollup":
            gateway.has_rollup = not gateway.has_rollup
        case "later":
            await made.clock.advance(60)
        case "restart":
            await reads.stop()
            made.ledger = Ledger(made.store, Rules())
            made.ledger.open_accounts([NAME], None)
            return follower(made)
    return reads

"""Reading one slice into the ledger, in batches and in either shape."""

from __future__ import annotations

import logging

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import BadRequestError, GatewayError, NetworkError
from exporter.gateway.paging import PAGE_SIZE
from exporter.gateway.readings import Endpoint, Rejected
from exporter.ledger.cursor import REACH, Slice
from exporter.live import LiveAccount
from exporter.polling.follower import Follower
from exporter.polling.reader import BAD_ROWS, BATCH, HELD, Moment, SliceResult, batch_of
from exporter.polling.transactions_reader import TransactionsReader
from exporter.polling.usage_reader import UsageReader
from exporter.status import RowOutcome
from exporter.throttle import EVERY
from tests.clock import NOW
from tests.daemon.fakes import DAY, HOUR, INTERVALS, NAME, USD, Scene, back, reader_of

pytestmark = pytest.mark.anyio
AT = Moment(NOW, NOW)


def tail(since: float) -> Slice:
    return Slice(since, NOW + HOUR, tail=True, sweep=False)


def usage(made: Scene) -> UsageReader:
    return reader_of(UsageReader, made)


def transactions(made: Scene) -> TransactionsReader:
    return reader_of(TransactionsReader, made)


@back(DAY)
async def test_rows_are_committed_in_batches_and_the_cursor_moves_with_the_last(
    made: Scene,
) -> None:
    made.gateway.bill(NOW - 60, number=2 * BATCH + 500)
    commits = []
    commit = made.ledger.commit_log

    def committing(name: str, rows: list[object], done: object, *rest: object) -> object:
        commits.append((len(rows), done is not None))
        return commit(name, rows, done, *rest)  # type: ignore[arg-type]

    made.ledger.commit_log = committing  # type: ignore[method-assign, assignment]
    read = await usage(made).read(tail(NOW - DAY), AT)
    assert read == SliceResult(2 * BATCH + 500, 2 * BATCH + 500)
    assert commits == [(BATCH, False), (BATCH, False), (500, True)]
    assert made.ledger.cursor(NAME, "usage").newest == NOW - 60


@back(DAY)
async def test_a_read_that_breaks_keeps_its_batches_and_counts_them_once(made: Scene) -> None:
    made.gateway.bill(NOW - 60, number=3 * BATCH)
    made.gateway.fail_after = 2 * BATCH // 200 + 3
    with pytest.raises(GatewayError):
        await usage(made).read(tail(NOW - DAY), AT)
    assert made.requests == 2 * BATCH
    assert not made.ledger.cursor(NAME, "usage").caught_up
    read = await usage(made).read(tail(NOW - DAY), AT)
    assert read == SliceResult(3 * BATCH, BATCH)
    assert made.account.rows == {
        RowOutcome.COUNTED: 3 * BATCH,
        RowOutcome.DUPLICATE: 2 * BATCH,
        RowOutcome.REJECTED: 0,
    }


@back(DAY)
async def test_a_rollup_for_a_range_that_cuts_an_hour_is_asked_for_again_in_whole_hours(
    made: Scene,
) -> None:
    made.gateway.rolls_up = True
    made.gateway.bill(NOW - 2 * HOUR + 60)
    made.gateway.bill(NOW - 2 * HOUR + 1800)
    read = await usage(made).read(tail(NOW - 2 * HOUR + 900), AT)
    assert [since for _, since, _ in made.gateway.of(Endpoint.USAGE)] == [
        NOW - 2 * HOUR + 900,
        NOW - 2 * HOUR,
    ]
    assert read.rows == 1
    assert made.cost == 2 * USD


@back(DAY)
async def test_a_bad_row_costs_one_row_and_is_told_once(
    made: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    made.gateway.bill(NOW - 60, number=5)
    made.gateway.rejected = (Rejected("req_bad", "credits is missing or not a number"),)
    for _ in range(3):
        await usage(made).read(tail(NOW - DAY), AT)  # a reload makes a new reader
    assert made.account.rows[RowOutcome.REJECTED] == 1
    assert made.requests == 5
    assert [record.getMessage() for record in caplog.records] == [
        "Account prod: usage: req_bad is not counted: credits is missing or not a number"
    ]


async def test_a_flood_of_bad_rows_is_counted_in_full_and_told_in_a_few_lines(
    made: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "exporter")
    reader, counts = usage(made), made.account.rows

    async def flood(begin: int) -> tuple[int, int]:
        """How many rows were counted as rejected, and in how many warnings they were told."""
        caplog.clear()
        before = counts[RowOutcome.REJECTED]
        rows = [Rejected(f"r{n}", "NaN") for n in range(begin, begin + 1000)]
        made.gateway.rejected = tuple(rows)
        await reader.read(tail(NOW - HOUR), AT)
        told = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
        assert not told or any("log.level debug names them" in line for line in told)
        return counts[RowOutcome.REJECTED] - before, len(told)

    assert await flood(0) == (1000, BAD_ROWS + 1)
    assert await flood(0) == (0, 0)
    assert await flood(1000) == (1000, 0)
    made.clock.time += EVERY
    assert await flood(2000) == (1000, BAD_ROWS + 1)


def test_what_is_remembered_of_bad_rows_is_bounded() -> None:
    account = LiveAccount(NAME, dict(INTERVALS))
    rows = [Rejected(str(number), "bad") for number in range(25_000)]
    assert len(account.newly_rejected(Endpoint.USAGE, rows)) == 25_000
    assert len(account.rejected[Endpoint.USAGE]) == 10_000
    assert account.newly_rejected(Endpoint.USAGE, [Rejected("24999", "bad")]) == []


async def test_kinds_of_movements_from_before_are_looked_up_once(made: Scene) -> None:
    made.gateway.topup(NOW - 10 * DAY)
    made.gateway.topup(NOW - 20 * DAY)
    reader = transactions(made)
    await reader.read(tail(NOW - 300), AT)
    await reader.read(tail(NOW - 300), AT)
    asked = [since for _, since, _ in made.gateway.of(Endpoint.TRANSACTIONS)]
    assert asked == [NOW - REACH, NOW - 300, NOW - 300]
    totals = made.ledger.totals_of(NAME)
    assert totals.last_transactions == (("topup", NOW - 10 * DAY),)
    assert totals.billing == ()


async def test_a_gateway_that_cannot_look_back_is_read_all_the_same(made: Scene) -> None:
    made.gateway.topup(NOW + 1)
    reader = transactions(made)
    made.gateway.failing[Endpoint.TRANSACTIONS] = BadRequestError("range too long")
    with pytest.raises(BadRequestError):
        await reader.read(tail(NOW - 300), AT)
    assert len(made.gateway.asked) == 3, "the look back, which may ask ahead, then the question"
    made.gateway.failing.clear()
    assert await reader.read(tail(NOW - 300), AT) == SliceResult(1, 1)
    assert len(made.gateway.asked) == 4


async def test_a_look_back_that_fails_otherwise_is_tried_again(made: Scene) -> None:
    made.gateway.topup(NOW - DAY)
    reader = transactions(made)
    made.gateway.failing[Endpoint.TRANSACTIONS] = NetworkError("try later")
    with pytest.raises(GatewayError):
        await reader.read(tail(NOW - 300), AT)
    assert len(made.gateway.asked) == 1
    made.gateway.failing.clear()
    await reader.read(tail(NOW - 300), AT)
    assert made.ledger.totals_of(NAME).last_transactions == (("topup", NOW - DAY),)


@back(DAY)
async def test_movements_are_committed_in_batches_too(made: Scene) -> None:
    for number in range(BATCH + 10):
        made.gateway.topup(NOW - 60, amount=number)
    assert await transactions(made).read(tail(NOW - DAY), AT) == SliceResult(BATCH + 10, BATCH + 10)
    (total,) = made.ledger.totals_of(NAME).billing
    assert (total.count, total.amount) == (BATCH + 10, sum(range(BATCH + 10)))


@back(HOUR)
async def test_movements_past_all_bounds_cost_themselves_and_are_told_once(
    made: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(6):
        made.gateway.topup(NOW - 60, amount=10**9 * USD)
    made.gateway.topup(NOW - 60, amount=USD)
    reader = transactions(made)
    for counted in (5, 0):
        read = await reader.read(tail(NOW - HOUR), AT)
        assert read == SliceResult(7, counted)
    told = [r for r in caplog.records if "more than any account can hold" in r.getMessage()]
    assert len(told) == 2


@back(HOUR)
async def test_growth_far_out_of_proportion_waits_for_the_next_poll(
    made: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    made.gateway.rolls_up = True
    made.gateway.bill(NOW - 60, number=3)
    reader, rows = usage(made), made.gateway.rows
    follower = Follower(reader, made.clock, made.account.endpoints[Endpoint.USAGE], made.throttle)
    absurd = [msgspec.structs.replace(row, cost=row.cost * 100) for row in rows]
    for shown, cost in ((rows, 3), (absurd, 3), (rows, 3), (absurd, 3), (absurd, 300)):
        made.gateway.rows = shown
        assert not await follower.round()
        assert made.cost == cost * USD
    assert caplog.text.count("usage grew by 297.00 USD at once") == 1


@given(st.integers(1, 100_000))
def test_however_many_accounts_catch_up_they_hold_no_more_than_a_page_each_or_the_limit(
    accounts: int,
) -> None:
    assert accounts * batch_of(accounts) <= max(HELD, accounts * PAGE_SIZE)
    assert batch_of(1) == BATCH

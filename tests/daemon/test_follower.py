"""Which slices are read, in which order, and when the settle window is swept."""

from __future__ import annotations

import asyncio
import logging
from itertools import pairwise
from pathlib import Path

import pytest

from exporter.errors import ResponseTooLargeError
from exporter.gateway.readings import Endpoint
from exporter.ledger.cursor import FIRST_SPAN, LONGEST_SPAN, OVERLAP
from exporter.ledger.ledger import Rules
from exporter.polling.follower import Follower
from exporter.polling.sweep_plan import FEW_ROWS, MANY_ROWS, DriftAlarm
from exporter.polling.usage_reader import UsageReader
from tests.clock import NOW
from tests.daemon.fakes import DAY, HOUR, NAME, USD, Scene, back, reader_of, scene

pytestmark = pytest.mark.anyio

USAGE = Endpoint.USAGE


def usage(made: Scene) -> Follower:
    status = made.account.endpoints[USAGE]
    return Follower(reader_of(UsageReader, made), made.clock, status, made.throttle)


def ranges(made: Scene) -> list[tuple[float, float]]:
    """What the usage endpoint was asked for, page after page of one range only once."""
    asked = [(since, until) for _, since, until in made.gateway.of(USAGE)]
    return list(dict.fromkeys(asked))


async def in_time(made: Scene, follower: Follower, seconds: float = 7200) -> bool:
    """One round, for which time passes."""
    working = asyncio.create_task(follower.round())
    began = made.clock.time
    while not working.done():
        assert made.clock.time - began < seconds, "the round does not end"
        await made.clock.advance(1)
    return working.result()


async def account_poll(made: Scene) -> None:
    made.ledger.commit_account(NAME, await made.gateway.account())


@back(60 * DAY)
async def test_the_newest_is_read_first_and_history_oldest_first_in_slices_that_commit(
    made: Scene,
) -> None:
    for day in range(60):
        made.gateway.bill(NOW - day * DAY - 60)
    positions = []
    follower = usage(made)
    commit = made.ledger.commit_log

    def committing(*arguments: object) -> object:
        result = commit(*arguments)  # type: ignore[arg-type]
        positions.append((made.ledger.cursor(NAME, "usage").position, made.requests))
        return result

    made.ledger.commit_log = committing  # type: ignore[method-assign, assignment]
    assert await follower.round() is False
    newest, *starts = [since for since, _ in ranges(made)]
    assert newest >= NOW - 2 * HOUR
    assert starts == sorted(starts)
    assert len(starts) > 5
    assert positions == sorted(positions)
    assert [until for _, until in ranges(made)][-1] > NOW
    assert made.cost == 60 * USD


@back(60 * DAY)
async def test_the_span_grows_over_quiet_times(made: Scene) -> None:
    made.gateway.page_size = 10_000
    await usage(made).round()
    spans = [until - since for since, until in ranges(made)][1:]
    assert FIRST_SPAN <= spans[0] < FIRST_SPAN + 2 * HOUR
    assert all(LONGEST_SPAN - HOUR <= span <= LONGEST_SPAN + HOUR for span in spans[6:-1])
    assert MANY_ROWS / FEW_ROWS > 2, "else spans would swing"


@back(DAY)
async def test_the_span_shrinks_over_busy_times(made: Scene) -> None:
    made.gateway.page_size = 10_000
    for hour in range(24):
        made.gateway.bill(NOW - hour * HOUR - 60, number=MANY_ROWS // 4)
    await usage(made).round()
    spans = [until - since for since, until in ranges(made)][1:]
    assert spans[0] >= FIRST_SPAN
    assert all(3 * HOUR <= span <= 3 * HOUR + OVERLAP for span in spans[1:-1])
    assert made.requests == 24 * (MANY_ROWS // 4)


@back(60 * DAY)
async def test_a_round_gives_up_after_an_interval_and_goes_on_where_it_stopped(
    made: Scene,
) -> None:
    made.gateway.cost = 25.0
    follower = usage(made)
    assert await in_time(made, follower) is True
    first = ranges(made)
    assert len(first) == 3
    assert await in_time(made, follower) is True
    after = ranges(made)[len(first) :]
    assert after[0][0] >= first[-1][1] - OVERLAP - HOUR


@back(DAY)
async def test_an_answer_that_is_too_large_is_asked_for_in_shorter_ranges(made: Scene) -> None:
    for hour in range(24):
        made.gateway.bill(NOW - hour * HOUR - 60, number=10)
    made.gateway.most_rows = 25
    assert await usage(made).round() is False
    assert made.requests == 240


async def test_a_sweep_after_an_outage_is_cut_too_where_answers_are_too_large(
    tmp_path: Path,
) -> None:
    with scene(tmp_path, Rules(settle_window=24 * HOUR), back=3 * DAY) as made:
        follower = usage(made)
        for hour in range(-72, 30):
            made.gateway.bill(NOW + hour * HOUR + 60, number=10)
        await follower.round()
        await made.clock.advance(30 * HOUR)
        made.gateway.most_rows = 25
        assert await follower.round() is False
        assert made.requests == 102 * 10


@back(DAY)
async def test_an_hour_that_is_too_large_is_told_and_holds_up_nothing_new(
    made: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    made.gateway.bill(NOW - 10 * HOUR, number=30)
    made.gateway.bill(NOW - 60, number=5)
    made.gateway.most_rows = 25
    follower = usage(made)
    for _ in range(3):
        assert await follower.round() is False
    assert made.requests == 5
    assert not made.ledger.cursor(NAME, "usage").caught_up
    assert len([r for r in caplog.records if "too large" in r.getMessage()]) == 1
    made.gateway.most_rows = None
    await follower.round()
    assert made.requests == 35


@back(HOUR)
async def test_a_newest_part_that_is_too_large_fails_the_poll(made: Scene) -> None:
    made.gateway.bill(NOW - 60, number=30)
    made.gateway.most_rows = 25
    with pytest.raises(ResponseTooLargeError):
        await usage(made).round()


async def test_the_settle_window_is_swept_twice_in_each_window(tmp_path: Path) -> None:
    with scene(tmp_path, Rules(settle_window=48 * HOUR), back=HOUR) as made:
        follower = usage(made)
        late = 0
        for hour in range(1, 97):
            await made.clock.advance(HOUR)
            made.gateway.bill(made.clock.now() - 60)
            if hour % 10 == 0:
                made.gateway.bill(made.clock.now() - 5 * HOUR)  # settled five hours late
                late += 1
            await follower.round()
        sweeps = [r for r in ranges(made) if r[0] < r[1] - 3 * HOUR]
        assert 3 <= len(sweeps) <= 8
        assert made.requests >= 96 + late - 2
        await made.clock.advance(24 * HOUR)
        await follower.round()
        assert made.requests == 96 + late


@back(10 * HOUR)
async def test_drift_asks_for_a_sweep_at_once_and_not_again_for_the_same(made: Scene) -> None:
    made.gateway.bill(NOW - 8 * HOUR)
    follower = usage(made)
    await follower.round()
    await account_poll(made)
    await follower.round()
    await made.clock.advance(HOUR)
    made.gateway.bill(NOW - 5 * HOUR, cost=3 * USD)  # an old row that no overlap reaches
    made.gateway.bill(made.clock.now() - 10)
    await follower.round()
    assert made.cost == 2 * USD
    await account_poll(made)
    await follower.round()
    assert made.cost == 5 * USD, "drift gave it away"

    made.gateway.other_spent = 7 * USD  # spent, and never in the log
    await made.clock.advance(HOUR)
    await account_poll(made)
    made.gateway.asked.clear()
    for _ in range(20):
        await made.clock.advance(60)
        await account_poll(made)
        await follower.round()
    assert len([r for r in ranges(made) if r[0] <= NOW - 8 * HOUR]) == 1


def test_an_alarm_that_finds_nothing_becomes_rarer() -> None:
    alarm = DriftAlarm(60, 1000)
    waits, now = [], 0.0
    for drift in range(1, 9):
        before = now
        while not alarm.due(drift, now):
            now += 1
        waits.append(now - before)
        alarm.begun(drift)
        alarm.swept(drift, False, now)
    assert waits == [0, 120, 240, 480, 960, 1000, 1000, 1000]
    assert not alarm.due(8, now + 10_000), "that drift is known"
    assert not alarm.due(None, now + 10_000)
    alarm.begun(8)
    alarm.swept(8, True, now)
    assert alarm.due(8, now + 60), "what was found may not be all of it"


def test_what_came_while_a_sweep_was_reading_is_looked_for_by_the_next_one() -> None:
    alarm = DriftAlarm(60, 1000)
    alarm.begun(2)
    alarm.swept(5, False, 0.0)
    assert not alarm.due(2, 10_000)
    assert alarm.due(5, 10_000)


@back(60 * DAY)
async def test_history_is_told_once_and_so_is_its_end(
    made: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "exporter")
    made.gateway.cost = 25.0
    made.gateway.bill(NOW - 50 * DAY)
    follower, status = usage(made), made.account.endpoints[USAGE]
    behind = []
    while await in_time(made, follower):
        assert status.behind is not None
        behind.append(status.behind)
    assert all(earlier > later for earlier, later in pairwise(behind))
    assert status.behind is None
    made.gateway.cost = 0.0
    await made.clock.advance(5 * HOUR)
    await follower.round()
    assert caplog.messages == [
        "Account prod: 60 days behind with usage, catching up",
        "Account prod: caught up with usage",
        "Account prod: 5 hours behind with usage, catching up",
        "Account prod: caught up with usage",
    ]


@back(0.0)
async def test_an_account_without_any_calls_is_never_behind(
    made: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "exporter")
    follower = usage(made)
    for _ in range(200):
        await made.clock.advance(HOUR / 2)
        await follower.round()
    assert caplog.records == []

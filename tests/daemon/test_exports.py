"""Exports: at a steady rate, recorded as what they were, and in nobody's way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from exporter.errors import StateError
from exporter.export_loop import HEAD_START, ExportLoop
from exporter.metrics.snapshot import Snapshot
from exporter.otlp.receiver import ExportResult, failure, partial, success
from exporter.status import ExportOutcome
from tests.clock import NOW, settle
from tests.daemon.fakes import NAME, USD, Scene, back

pytestmark = [pytest.mark.anyio, back(60.0)]


class Receiver:
    """An exporter that answers as told, after `cost` simulated seconds; None hangs for ever."""

    def __init__(self, made: Scene) -> None:
        self.clock = made.clock
        self.answer: ExportResult | None = success()
        self.cost = 0.0
        self.sent: list[tuple[float, Snapshot]] = []
        self.closed = False

    async def export(self, snapshot: Snapshot) -> ExportResult:
        assert not self.closed
        self.sent.append((self.clock.now(), snapshot))
        if self.answer is None:
            await asyncio.Event().wait()
        answer = self.answer
        assert answer is not None
        await self.clock.sleep(self.cost)
        return answer

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def receiver(made: Scene) -> Receiver:
    return Receiver(made)


def loop_of(made: Scene, receiver: Receiver, interval: float = 30.0) -> ExportLoop:
    return ExportLoop(
        receiver,  # type: ignore[arg-type]
        made.live,
        made.ledger,
        made.worker,
        made.clock,
        made.throttle,
        interval,
    )


@asynccontextmanager
async def exporting(exports: ExportLoop) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(exports.run())
    try:
        yield task
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def once(made: Scene, exports: ExportLoop) -> ExportResult:
    working = asyncio.create_task(exports.export())
    await made.clock.advance(HEAD_START)
    return working.result()


async def bill(made: Scene) -> None:
    """One call, counted."""
    made.gateway.bill(NOW - 1)
    rows = made.gateway.rows
    made.ledger.commit_log(NAME, rows, None, None, NOW)


@pytest.mark.parametrize("cost", [0.0, 3.0, 29.0])
async def test_exports_come_at_a_steady_rate_however_long_each_takes(
    made: Scene, receiver: Receiver, cost: float
) -> None:
    receiver.cost = cost
    async with exporting(loop_of(made, receiver)):
        await made.clock.advance(301)
    assert [at - NOW for at, _ in receiver.sent] == pytest.approx([30.0 * n for n in range(11)])


async def test_exports_that_take_longer_than_the_interval_do_not_pile_up(
    made: Scene, receiver: Receiver
) -> None:
    receiver.cost = 45.0
    async with exporting(loop_of(made, receiver)):
        await made.clock.advance(200)
        receiver.cost = 0.0
        await made.clock.advance(200)
    times = [at - NOW for at, _ in receiver.sent]
    assert times[:5] == [0, 45, 90, 135, 180]
    assert times[5:] == [225, 255, 285, 315, 345, 375], "what was missed is not made up for"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (success(), ExportOutcome.SUCCESS),
        (partial("5 points were rejected"), ExportOutcome.PARTIAL),
        (failure("no connection"), ExportOutcome.FAILURE),
    ],
)
async def test_every_outcome_is_recorded_as_what_it_was(
    made: Scene,
    receiver: Receiver,
    answer: ExportResult,
    outcome: ExportOutcome,
) -> None:
    receiver.answer = answer
    await once(made, loop_of(made, receiver))
    counts = made.live.exports.outcomes
    assert counts == {one: int(one is outcome) for one in ExportOutcome}
    assert made.live.exports.last_error == answer.error
    assert (made.live.exports.last_success is None) == (answer.error is not None)


async def test_trouble_with_the_receiver_is_said_once_and_so_is_its_end(
    made: Scene, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "exporter")
    receiver.answer = failure("no connection: check otlp.endpoint")
    async with exporting(loop_of(made, receiver)):
        await made.clock.advance(299)
        receiver.answer = success()
        await made.clock.advance(60)
    assert [record.getMessage() for record in caplog.records] == [
        "OTLP export failed: no connection: check otlp.endpoint",
        "OTLP exports are accepted again (after 10 times)",
    ]


def zeros(receiver: Receiver) -> list[bool]:
    """Of each snapshot that was sent with usage: whether that was 0."""
    return [
        point.value == 0
        for _, snapshot in receiver.sent
        for point in (*snapshot.zero_points, *snapshot.points)
        if point.metric.name == "bytespike.usage.cost"
    ]


@pytest.mark.parametrize(
    ("answer", "sent"),
    [
        (success(), [True, False, False]),
        (partial("rejected"), [True, False, False]),
        (failure("400: invalid", data_refused=True), [True, False, False]),
        (failure("no connection"), [True, True]),
    ],
)
async def test_zero_points_go_first_until_a_receiver_has_judged_them(
    made: Scene,
    receiver: Receiver,
    answer: ExportResult,
    sent: list[bool],
) -> None:
    await bill(made)
    exports = loop_of(made, receiver)
    receiver.answer = answer
    await once(made, exports)
    await once(made, exports)
    assert zeros(receiver) == sent


async def test_values_follow_their_zero_points_at_a_distance_and_nothing_else_waits(
    made: Scene,
    receiver: Receiver,
) -> None:
    await bill(made)
    await once(made, loop_of(made, receiver))
    (first, ahead), (second, behind) = receiver.sent
    assert second - first == HEAD_START
    assert {point.metric.name.split(".")[1] for point in behind.points} == {"usage"}
    assert "bytespike.exporter.build.info" in {point.metric.name for point in ahead.points}


async def test_values_that_wait_are_left_to_the_loop_that_takes_over(
    made: Scene, receiver: Receiver
) -> None:
    await bill(made)
    exports = loop_of(made, receiver)
    working = asyncio.create_task(exports.export())
    await made.clock.advance(0.1)
    assert zeros(receiver) == [True]
    retiring = asyncio.create_task(exports.retire())
    await once(made, loop_of(made, receiver))
    await asyncio.gather(working, retiring)
    assert zeros(receiver) == [True, False]


async def test_a_series_waits_until_its_zero_point_is_known_to_be_sent(
    made: Scene, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> None:
        raise StateError("the disk is full")

    await bill(made)
    exports = loop_of(made, receiver)
    with monkeypatch.context() as patch:
        patch.setattr(made.ledger, "zero_points_sent", broken)
        assert (await once(made, exports)).outcome is ExportOutcome.SUCCESS
    assert zeros(receiver) == [True]
    assert len(receiver.sent[0][1].points) > 1, "everything else is sent"
    await once(made, exports)
    await once(made, exports)
    assert zeros(receiver) == [True, True, False, False]


async def test_a_state_that_cannot_be_read_does_not_end_exports_nor_the_gauges(
    made: Scene, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    await bill(made)
    made.account.account = await made.gateway.account()
    made.account.endpoints[next(iter(made.account.endpoints))].succeeded(NOW, 0.1)
    made.worker.broken = StateError("the disk does not answer")
    async with exporting(loop_of(made, receiver)):
        await made.clock.advance(61)
        made.worker.broken = None
        await made.clock.advance(30)
    shown = [
        {point.metric.name: point.value for point in snapshot.points}
        for _, snapshot in receiver.sent
    ]
    assert [len(names) > 4 for names in shown] == [True, True, True, True, False]
    for names in shown[:3]:
        assert names["bytespike.wallet.balance"] == 31.0
        assert "bytespike.usage.cost" not in names
        assert "bytespike.exporter.series.folded" not in names
    assert shown[4]["bytespike.usage.cost"] == USD / 1e9
    assert len([r for r in caplog.records if r.levelno == logging.ERROR]) == 1


async def test_a_hanging_export_holds_up_nothing_but_exports(
    made: Scene, receiver: Receiver
) -> None:
    receiver.answer = None
    async with exporting(loop_of(made, receiver)):
        await made.clock.advance(600)
        assert len(receiver.sent) == 1
        assert await made.worker.do(made.ledger.totals)


async def test_the_last_export_waits_for_the_one_under_way(made: Scene, receiver: Receiver) -> None:
    exports = loop_of(made, receiver)
    receiver.cost = 2.0
    async with exporting(exports):
        await made.clock.advance(1)
    last = asyncio.create_task(exports.last(60.0))
    await made.clock.advance(5)
    assert last.done()
    assert [at - NOW for at, _ in receiver.sent] == [0, 2]
    assert receiver.closed


@pytest.mark.parametrize("begun", [False, True])
async def test_a_last_export_that_hangs_is_given_up_with_one_that_is_under_way(
    made: Scene, receiver: Receiver, caplog: pytest.LogCaptureFixture, begun: bool
) -> None:
    receiver.answer = None
    exports = loop_of(made, receiver)
    if begun:
        async with exporting(exports):
            await settle()
    await exports.last(0.02)
    assert len(receiver.sent) == 1
    assert receiver.closed
    assert "given up" in caplog.text
    assert sum(made.live.exports.outcomes.values()) == 0


async def test_a_loop_that_was_replaced_closes_after_its_export(
    made: Scene, receiver: Receiver
) -> None:
    receiver.cost = 2.0
    exports = loop_of(made, receiver)
    async with exporting(exports):
        await made.clock.advance(1)
    retiring = asyncio.create_task(exports.retire())
    await settle()
    early = receiver.closed
    await made.clock.advance(2)
    assert (early, receiver.closed) == (False, True)
    assert retiring.done()
    assert made.live.exports.outcomes[ExportOutcome.SUCCESS] == 1

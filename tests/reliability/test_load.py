"""Much of everything: a thousand accounts, ten thousand series, a million rows of history."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from bytespike_simulator import Simulator, quiet
from bytespike_simulator.models import Model
from bytespike_simulator.rollup import Sums
from exporter.config.types import Poll
from tests.reliability.machine import Process, Receiver, served
from tests.reliability.stage import MICRO, TRANSACTIONS, Asked, Stage, staged
from tests.reliability.test_receiver_outages import SLACK, forget, kept
from tests.reliability.trials import SOAK, Trials, saw
from tests.reliability.watch import Watch

pytestmark = pytest.mark.anyio

ACCOUNTS = 1000 if SOAK else 40
MINUTES = 60 if SOAK else 12
SETTLED = MINUTES // 2
"""Minutes after which every account has done everything that it does often."""

MODELS, KEYS = (2500, 4) if SOAK else (50, 4)
EXPORTS = 60 if SOAK else 6
EVERY = "2s" if SOAK else "300ms"
ROWS = 1_000_000 if SOAK else 10_000
PATIENCE = 1800.0


def rhythm_of(asked: list[Asked], interval: float) -> int:
    """How many polls of an account came too early or too late."""
    gaps = [later.at - earlier.at for earlier, later in pairwise(asked)]
    # A catching up that goes on, a further page and the look back follow at once.
    return sum(not 0.89 * interval <= gap <= 1.11 * interval for gap in gaps if gap > 1)


def out_of_rhythm(stage: Stage, minutes: int) -> tuple[int, int]:
    """Polls of all accounts, and how many of them were out of rhythm or missing."""
    by_place: defaultdict[tuple[str, str], list[Asked]] = defaultdict(list)
    for asked in stage.asked:
        by_place[asked.host, asked.endpoint].append(asked)
    wrong = abs(len(by_place) - 3 * len(stage.config.accounts))
    for (_, endpoint), polls in by_place.items():
        interval = 300.0 if endpoint == TRANSACTIONS else 60.0
        wrong += rhythm_of(polls, interval)
        wrong += len(polls) < minutes * 60 / (1.1 * interval) - 2
    return len(stage.asked), wrong


def differing(stage: Stage) -> int:
    """How many accounts do not show what was billed to the key that they share."""
    truth = stage.simulator.world.truth(stage.start)
    cost: defaultdict[str, float] = defaultdict(float)
    for series, value in stage.watch.values["bytespike.usage.cost"].items():
        cost[dict(series)["bytespike.account.name"]] += value
    names = [account.name for account in stage.config.accounts]
    return sum(round(cost[name] * MICRO) != truth.credits for name in names)


def bill(stage: Stage) -> None:
    """A call of the key that all accounts share, now."""
    world, now = stage.simulator.world, stage.gateway_time.now()
    world.advance(now)
    world.bill(model="gpt-5-4", credits=1 + len(stage.asked), at=now)


async def test_a_thousand_accounts_are_polled_in_their_rhythm(
    trials: Trials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = trials.row(
        "Load",
        "1,000 accounts, each polled every 60 s, in simulated time (40 in make test)",
        "Every account is polled in its rhythm and shows the truth; memory stays flat; nothing "
        "folds.",
        "{accounts} accounts for {minutes} min: {polls} requests, {late} out of rhythm; {points} "
        "points exported, {fell} that fell; objects {kept_then} → {kept_now}; {folded} series "
        "folded, {lost} accounts differ from the truth",
    )
    often = Poll(60.0, 60.0, 300.0)
    async with staged(tmp_path, monkeypatch, polls=often, accounts=ACCOUNTS) as stage:
        stage.happen = lambda: bill(stage)  # type: ignore[method-assign]
        then = 0
        for minute in range(MINUTES):
            await stage.live(60)
            forget(stage)
            stage.log.truncate(0)
            stage.log.seek(0)
            if minute + 1 == SETTLED:
                then = kept()
        polls, late = out_of_rhythm(stage, MINUTES)
        now = kept()
        await stage.clock.advance(140)  # one poll and one export more
        lost = differing(stage)
        folded = round(stage.watch.total("bytespike.exporter.series.folded"))
        fell = len(stage.watch.wrong)
        saw(row, accounts=ACCOUNTS, minutes=MINUTES, polls=polls, late=late, fell=fell, lost=lost)
        saw(row, 0, points=stage.watch.points, kept_then=then, kept_now=now, folded=folded)
        assert not late
        assert now < 1.01 * then + SLACK
        assert not lost
        assert not folded
        assert not stage.watch.wrong


def resident(process: Process) -> tuple[int, int]:
    """Memory of the exporter now, and the most there ever was, in KiB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return int(fields["VmRSS"].split()[0]), int(fields["VmHWM"].split()[0])


def differing_series(simulator: Simulator, receiver: Receiver, since: float) -> int:
    """How many keys and models do not show in cost and calls what was billed."""
    truth = {(u.masked, u.model): (u.credits, u.calls) for u in simulator.world.truth(since).usage}
    return len(truth.items() ^ receiver.see(costs_and_calls).items())


def costs_and_calls(watch: Watch) -> dict[tuple[str, str], tuple[int, int]]:
    """What is shown of each key and model, in micro-USD and calls."""
    found = {}
    for series, cost in watch.values.get("bytespike.usage.cost", {}).items():
        names = dict(series)
        calls = watch.values.get("bytespike.usage.requests", {}).get(series, 0)
        place = names["bytespike.key.id"], names["gen_ai.request.model"]
        found[place] = round(cost * MICRO), round(calls)
    return found


async def until(process: Process, look: Callable[[], bool]) -> None:
    """Return once `look` is true; fails where the exporter has ended."""
    async with asyncio.timeout(PATIENCE):
        while not look():
            assert process.running(), process.output()[-2000:]
            await asyncio.sleep(0.2)


async def until_exports(process: Process, receiver: Receiver, more: int) -> None:
    """Return after so many more requests have arrived."""
    wanted = receiver.watch.exports + more
    await until(process, lambda: receiver.watch.exports >= wanted)


async def test_ten_thousand_series_are_exported_as_they_are(trials: Trials, tmp_path: Path) -> None:
    row = trials.row(
        "Load",
        "10,000 keys and models with `usage.max_series` raised to 20,000 (200 in make test)",
        "All are exported with what was billed, four series each; nothing folds; memory stays "
        "flat.",
        "{series} keys and models in {points} points; {folded} folded, {differ} differ from the "
        "truth, {fell} points that fell; resident {then} → {now} KiB, {peak} at the most",
    )
    simulator = Simulator(quiet(rpm_limit=0, keys=KEYS, usage="rollup"))
    world = simulator.world
    began = world.now - 7200
    first = len(world.models)
    for number in range(MODELS):
        world.models.append(Model(f"model-{number}", 1000, 5000, 1000.0, 200.0))

    def charge() -> None:
        for model in range(MODELS):
            for key in range(KEYS):
                sums = Sums(model + key + 1, 7, 3, 1)
                world.charge(key, first + model, sums, simulator.clock.now())

    charge()
    with Receiver() as receiver, served(simulator) as url:
        settings = {
            "gateway": {"timeout": "30s"},
            "poll": {"account": "1s", "usage": EVERY, "transactions": "5s"},
            "usage": {"start": "-2h", "settle_window": "1h", "max_series": 20_000},
            "otlp": {"endpoint": receiver.url, "interval": EVERY, "timeout": "30s"},
        }
        process = Process(tmp_path, url, simulator.api_key, **settings)
        process.start()
        try:
            await until(process, lambda: not differing_series(simulator, receiver, began))
            await until_exports(process, receiver, EXPORTS // 2)
            then, _ = resident(process)
            charge()
            await until(process, lambda: not differing_series(simulator, receiver, began))
            await until_exports(process, receiver, EXPORTS // 2)
            now, peak = resident(process)
        finally:
            process.kill()
    watch = receiver.watch
    series = len(watch.values["bytespike.usage.cost"])
    folded = round(watch.total("bytespike.exporter.series.folded"))
    differ = differing_series(simulator, receiver, began)
    saw(row, series=series, points=watch.points, folded=folded, differ=differ)
    saw(row, 0, fell=len(watch.wrong), then=then, now=now, peak=peak)
    assert series == MODELS * KEYS
    assert not folded
    assert not differ
    assert not watch.wrong
    assert now < 1.15 * then


async def test_a_million_rows_are_caught_up_in_flat_memory(trials: Trials, tmp_path: Path) -> None:
    row = trials.row(
        "Load",
        "1,000,000 rows of 30 days to catch up (10,000 in make test)",
        "Each is counted once, in flat memory.",
        "{rows} rows; resident {then} KiB after a tenth of them, {peak} KiB at the most; {differ} "
        "keys and models differ from the truth, {fell} points that fell",
    )
    simulator = Simulator(quiet(rpm_limit=0, history=30 * 86_400.0, history_rows=ROWS))
    began = simulator.world.now - 31 * 86_400
    with Receiver() as receiver, served(simulator) as url:
        settings = {
            "gateway": {"timeout": "30s"},
            "poll": {"account": "5s", "usage": "500ms", "transactions": "5s"},
            "usage": {"start": "-31d", "settle_window": "2d"},
            "otlp": {"endpoint": receiver.url, "interval": "500ms", "timeout": "30s"},
        }
        process = Process(tmp_path, url, simulator.api_key, **settings)

        def counted() -> float:
            return receiver.see(lambda watch: watch.total("bytespike.usage.requests"))

        process.start()
        try:
            await until(process, lambda: counted() >= ROWS / 10)
            _, then = resident(process)
            await until(process, lambda: counted() >= ROWS)
            await until_exports(process, receiver, 3)
            _, peak = resident(process)
        finally:
            process.kill()
    differ = differing_series(simulator, receiver, began)
    fell = len(receiver.watch.wrong)
    saw(row, rows=ROWS, then=then, peak=peak, differ=differ, fell=fell)
    assert counted() == ROWS
    assert not differ
    assert not receiver.watch.wrong
    assert peak < then + 12 * 1024

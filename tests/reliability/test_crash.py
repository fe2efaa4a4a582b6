"""SIGKILL at random moments, while the gateway bills, settles late, rebates and changes shape."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from bytespike_simulator import Simulator, quiet, running
from tests.daemon.live import until
from tests.reliability.checks import billing_lost
from tests.reliability.machine import Process, Receiver
from tests.reliability.trials import SOAK, Trials, saw
from tests.reliability.watch import MICRO

pytestmark = pytest.mark.anyio

KILLS = 400 if SOAK else 12
ROUNDS = 10 if SOAK else 2
PROMISED = "Totals are the truth, no counter falls, no start time moves, one instance id."
SEEN = (
    "{exports} exports and {points} points looked at, {restarts} restarts, {calls} calls billed, "
    "{switches} changes of shape; {wrong} points that fell or moved their start, {instances} "
    "instance ids in {runs} runs, {lost} totals that differ from the truth"
)


class Life:
    """What happens in the gateway's world until it is stopped."""

    def __init__(self, simulator: Simulator, seed: int) -> None:
        self.simulator = simulator
        self.rng = random.Random(seed)
        self.since = simulator.clock.now() - 7200
        self.switches = 0
        self._ids: list[str] = []
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Live until `stop`."""
        while not self._stop.is_set():
            self._happen()
            await asyncio.sleep(self.rng.uniform(0.005, 0.05))

    def stop(self) -> None:
        self._stop.set()

    def _happen(self) -> None:
        world, rng = self.simulator.world, self.rng
        world.advance(self.simulator.clock.now())
        chance = rng.random()
        credits = rng.randrange(1, 90_000)
        if chance < 0.75:
            key, model = rng.choice(world.keys).id, f"model-{rng.randrange(12)}"
            self._ids.append(world.bill(key=key, model=model, credits=credits))
        elif chance < 0.85:
            late = world.now - rng.uniform(400, 3000)
            self._ids.append(world.bill(model="veo-3-1", credits=9_120, at=late))
        elif chance < 0.9 and self._ids:
            world.rebate(rng.choice(self._ids), credits=rng.randrange(1, 100))
        elif chance < 0.95:
            world.topup(rng.randrange(1, 20), bonus=rng.choice((0.0, 1.0)))
        elif chance < 0.97:
            self.switch()

    def switch(self) -> None:
        """From the log to the rollup, or back."""
        options = self.simulator.options
        options.usage = "log" if options.usage == "rollup" else "rollup"
        self.switches += 1

    def lost(self, receiver: Receiver) -> list[str]:
        """How what the receiver has differs from the truth."""
        truth = self.simulator.world.truth(self.since)
        wrong = billing_lost(receiver.watch, truth)
        billed = truth.credits
        if self.simulator.options.usage == "rollup":
            billed -= sum(usage.rebated_credits for usage in truth.usage)
        over = receiver.watch.total("bytespike.usage.overcount")
        cost = receiver.watch.total("bytespike.usage.cost")
        if round((cost - over) * MICRO) != billed:
            wrong.append(f"cost {cost} less {over} USD, billed {billed / MICRO}")
        calls = sum(usage.calls for usage in truth.usage)
        if receiver.watch.total("bytespike.usage.requests") != calls:
            wrong.append(f"{receiver.watch.total('bytespike.usage.requests')} calls of {calls}")
        spent = receiver.watch.total("bytespike.wallet.spend")
        if round(spent * MICRO) != truth.wallet.spent:
            wrong.append(f"lifetime spend {spent} of {truth.wallet.spent / MICRO}")
        return wrong


async def _until_a_random_moment(
    rng: random.Random, process: Process, simulator: Simulator, receiver: Receiver
) -> None:
    """A time after the start, a request to the gateway, or an export that is not answered yet."""
    chance = rng.random()
    if chance < 0.4:
        await asyncio.sleep(rng.uniform(0.2, 2.0))
    elif chance < 0.7:
        usage = simulator.requests.get("usage", 0) + rng.randrange(1, 12)
        await until(lambda: simulator.requests.get("usage", 0) >= usage, 30)
        await asyncio.sleep(rng.uniform(0, 0.01))
    else:
        wanted = receiver.watch.exports + rng.randrange(1, 6)

        def at_once() -> None:
            if receiver.watch.exports >= wanted:
                process.kill()

        receiver.before_answer = at_once
        await until(lambda: not process.running(), 30)
        receiver.before_answer = lambda: None


@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_killed_at_random_moments_it_counts_everything_once(
    trials: Trials, tmp_path: Path, seed: int
) -> None:
    row = trials.row("Crashes", "SIGKILL at random moments", PROMISED, SEEN)
    rng = random.Random(seed)
    simulator = Simulator(quiet(rpm_limit=0, usage=rng.choice(["log", "rollup"])))
    life = Life(simulator, seed)
    with Receiver() as receiver:
        async with running(simulator) as url:
            process = Process(tmp_path, url, simulator.api_key, otlp={"endpoint": receiver.url})
            living = asyncio.create_task(life.run())
            kills = KILLS // ROUNDS
            try:
                for _ in range(kills):
                    process.start()
                    await _until_a_random_moment(rng, process, simulator, receiver)
                    process.kill()
                    assert not receiver.watch.wrong
                life.stop()
                await living
                _let_half_a_settle_window_pass(process)
                process.start()
                await _settled(life, receiver)
            finally:
                life.stop()
                process.kill()
    truth = simulator.world.truth(life.since)
    lost = life.lost(receiver)
    saw(
        row,
        kills,
        exports=receiver.watch.exports,
        points=receiver.watch.points,
        restarts=kills,
        calls=sum(usage.calls for usage in truth.usage),
        switches=life.switches,
        wrong=len(receiver.watch.wrong),
        instances=len(receiver.watch.instances),
        runs=1,
        lost=len(lost),
    )
    assert not receiver.watch.wrong
    assert len(receiver.watch.instances) == 1
    assert not lost
    assert "Traceback" not in process.output()


def _let_half_a_settle_window_pass(process: Process) -> None:
    """What was late and cheaper than what is spent between two polls is found by the next sweep."""
    with closing(sqlite3.connect(process.folder / "state.db")) as db, db:
        db.execute("UPDATE cursor SET swept_at = swept_at - 1800")


async def _settled(life: Life, receiver: Receiver) -> None:
    """Wait until the receiver has the truth, or for so long that it never will."""
    deadline = time.monotonic() + 30
    while life.lost(receiver) and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.1)

"""A million rows of history are caught up by a process that stays small."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from bytespike_simulator import Simulator, quiet
from tests.reliability.machine import Process, Receiver, served
from tests.reliability.trials import SOAK, Trials, saw
from tests.reliability.watch import MICRO, Watch

pytestmark = pytest.mark.anyio

ROWS = 1_000_000 if SOAK else 10_000
PATIENCE = 1800.0


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
        settings: dict[str, dict[str, object]] = {
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
            _, then = process.resident()
            await until(process, lambda: counted() >= ROWS)
            wanted = receiver.watch.exports + 3
            await until(process, lambda: receiver.watch.exports >= wanted)
            _, peak = process.resident()
        finally:
            process.kill()
    differ = differing_series(simulator, receiver, began)
    fell = len(receiver.watch.wrong)
    saw(row, rows=ROWS, then=then, peak=peak, differ=differ, fell=fell)
    assert counted() == ROWS
    assert not differ
    assert not receiver.watch.wrong
    assert peak < then + 12 * 1024

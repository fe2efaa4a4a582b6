"""The state file fails below a daemon that runs: nothing resets, nothing counts twice."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from exporter.config.types import Otlp
from tests.daemon.live import Live, daemon, gateway, until
from tests.reliability.machine import Receiver
from tests.reliability.trials import Trials, saw
from tests.reliability.watch import Watch

pytestmark = pytest.mark.anyio

CALLS = 7
BALANCE_EVERY = 0.5
"""Seconds. Three times as long, and what a balance says is stale; so long lasts each fault."""

LONG_ENOUGH = round(3.5 * BALANCE_EVERY / 0.2)
"""Exports, five a second, that a fault lasts."""


def counted(watch: Watch) -> int:
    return int(watch.total("bytespike.usage.requests"))


@contextmanager
def receiving(live: Live) -> Iterator[Receiver]:
    """A receiver that the daemon exports to, five times a second."""
    with Receiver() as receiver:
        polls = replace(live.config.poll, account=BALANCE_EVERY)
        live.change(otlp=Otlp(endpoint=receiver.url, interval=0.2), poll=polls)
        yield receiver


def bill(live: Live) -> None:
    for _ in range(CALLS):
        live.simulator.world.bill(model="gpt-5-4", credits=1000)


async def until_ready(live: Live, status: int) -> None:
    async with asyncio.timeout(20):
        while (await live.get("/readyz")).status_code != status:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@contextmanager
def full_disk(live: Live) -> Iterator[None]:
    """No file may grow past what the log of the state file has already."""
    log = live.config.state.path.with_name(live.config.state.path.name + "-wal")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (max(1, log.stat().st_size), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def taken_away(live: Live) -> Iterator[None]:
    """The file's directory is somewhere else for a while."""
    folder = live.config.state.path.parent
    folder.rename(folder.with_name("away"))
    try:
        yield
    finally:
        folder.with_name("away").rename(folder)


FAULTS: dict[str, Callable[[Live], AbstractContextManager[None]]] = {
    "disk full": full_disk,
    "directory taken away and put back": taken_away,
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_state_that_cannot_be_written_counts_nothing_and_heals(
    trials: Trials, tmp_path: Path, name: str
) -> None:
    row = trials.row(
        "State faults",
        name,
        "Not ready, and says why; gauges and old totals are exported on; nothing that is not "
        "durable is shown. Once it is mended every call is counted once.",
        "{exports} exports during the fault, {without} without a balance; {early} calls shown "
        "before they were durable; {fell} counters that fell; {lost} calls missing or too many "
        "afterwards",
    )
    (tmp_path / "state").mkdir()
    async with gateway(tmp_path / "state") as live:
        with receiving(live) as receiver:
            receiver.keep = True
            async with daemon(live):
                bill(live)
                await until(lambda: counted(receiver.watch) == CALLS)
                with FAULTS[name](live):
                    bill(live)
                    await until_ready(live, 503)
                    exports = receiver.watch.exports
                    receiver.bodies.clear()
                    await until(lambda: receiver.watch.exports > exports + LONG_ENOUGH)
                    early = counted(receiver.watch) - CALLS
                    without = sum(b"wallet.balance" not in body for body in receiver.bodies)
                    assert (await live.get("/livez")).status_code == 200
                await until(lambda: counted(receiver.watch) >= 2 * CALLS)
                await until_ready(live, 200)
    lost, fell = abs(counted(receiver.watch) - 2 * CALLS), len(receiver.watch.wrong)
    saw(row, exports=LONG_ENOUGH, without=without, early=early, fell=fell, lost=lost)
    assert (early, without, lost) == (0, 0, 0)
    assert not receiver.watch.wrong
    assert len(receiver.watch.instances) == 1

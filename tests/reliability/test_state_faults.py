"""The state file fails below a daemon that runs: nothing resets, nothing counts twice."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from exporter.config.types import Otlp
from exporter.errors import StateError
from exporter.ledger import store as store_module
from exporter.ledger.store import Store
from tests.daemon.live import Live, daemon, gateway, polled, said, until
from tests.reliability.machine import Receiver
from tests.reliability.trials import SOAK, Trials, saw
from tests.reliability.watch import Watch

pytestmark = pytest.mark.anyio

TIMES = 20 if SOAK else 1
PROMISED = (
    "Not ready, and says why; gauges and old totals are exported on; nothing that is not durable "
    "is shown. Once it is mended every call is counted once."
)
SEEN = (
    "{exports} exports during the fault, {without} without a balance; {early} calls shown before "
    "they were durable; {fell} counters that fell; {lost} calls missing or too many afterwards"
)
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
    """The file and its log are somewhere else for a while."""
    path = live.config.state.path
    both = (path, path.with_name(path.name + "-wal"))
    for file in both:
        file.rename(file.with_name("away-" + file.name))
    try:
        yield
    finally:
        for file in both:
            file.with_name("away-" + file.name).rename(file)


@contextmanager
def directory_taken_away(live: Live) -> Iterator[None]:
    folder = live.config.state.path.parent
    away = folder.with_name("away")
    folder.rename(away)
    try:
        yield
    finally:
        away.rename(folder)


@contextmanager
def replaced(live: Live) -> Iterator[None]:
    """Another state file stands in the place of ours for a while."""
    with taken_away(live):
        Store(live.config.state.path).close()
        yield
        live.config.state.path.unlink()


@contextmanager
def read_only(live: Live) -> Iterator[None]:
    """As SQLite meets a file system that was mounted anew, read-only."""
    db = live.daemon._store.db
    db.execute("PRAGMA query_only = 1")
    try:
        yield
    finally:
        db.execute("PRAGMA query_only = 0")


FAULTS: dict[str, Callable[[Live], object]] = {
    "disk full": full_disk,
    "file taken away and put back": taken_away,
    "directory taken away and put back": directory_taken_away,
    "file replaced by another and put back": replaced,
    "read-only": read_only,
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_state_that_cannot_be_written_counts_nothing_and_heals(
    trials: Trials, tmp_path: Path, name: str
) -> None:
    row = trials.row("State faults", name, PROMISED, SEEN)
    (tmp_path / "state").mkdir()
    async with gateway(tmp_path / "state") as live:
        with receiving(live) as receiver:
            receiver.keep = True
            async with daemon(live):
                for turn in range(TIMES):
                    before = turn * 2 * CALLS
                    bill(live)
                    await until(lambda: counted(receiver.watch) == before + CALLS)  # noqa: B023
                    with FAULTS[name](live):  # type: ignore[attr-defined]
                        bill(live)
                        await until(lambda: not live.daemon._live.state_writable)
                        exports = receiver.watch.exports
                        receiver.bodies.clear()
                        await until(lambda: receiver.watch.exports > exports + LONG_ENOUGH)  # noqa: B023
                        early = counted(receiver.watch) - before - CALLS
                        during = receiver.watch.exports - exports
                        without = sum(b"wallet.balance" not in b for b in receiver.bodies)
                        assert (await live.get("/livez")).status_code == 200
                        assert (await live.get("/readyz")).status_code == 503
                    await until(lambda: counted(receiver.watch) >= before + 2 * CALLS)  # noqa: B023
                    await until(lambda: live.daemon._live.state_writable)
                    lost = abs(counted(receiver.watch) - before - 2 * CALLS)
                    fell = len(receiver.watch.wrong)
                    saw(row, exports=during, without=without, early=early, fell=fell, lost=lost)
                    assert not early
                    assert not without
                    assert not receiver.watch.wrong
                    assert not lost
            assert len(receiver.watch.instances) == 1


async def test_a_file_that_is_deleted_is_told_and_a_restart_starts_anew(
    trials: Trials, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    row = trials.row(
        "State faults",
        "file deleted, exporter restarted",
        "Told at once; until the restart nothing is counted, afterwards under a new instance.",
        "{shown} calls shown before the deletion, {early} counted into nothing, {instances} "
        "instances, {fell} counters that fell",
    )
    caplog.set_level("INFO", "exporter")
    for turn in range(TIMES):
        folder = tmp_path / str(turn)
        folder.mkdir()
        async with gateway(folder) as live:
            with receiving(live) as receiver:
                async with daemon(live):
                    bill(live)
                    await until(lambda: counted(receiver.watch) == CALLS)
                    live.config.state.path.unlink()
                    bill(live)
                    await until(lambda: said(caplog, "deleted, moved or replaced while in use"))
                    exports = receiver.watch.exports
                    await until(lambda: receiver.watch.exports > exports + 4)  # noqa: B023
                    early = counted(receiver.watch) - CALLS
                assert not receiver.watch.wrong
            with receiving(live) as again:
                async with daemon(live):
                    await until(lambda: polled(live))
                    await until(lambda: again.watch.exports > 2)
                assert said(caplog, "counting starts in the new file")
                assert not again.watch.wrong
        instances = len(receiver.watch.instances | again.watch.instances)
        fell = len(receiver.watch.wrong) + len(again.watch.wrong)
        saw(row, shown=CALLS, early=early, instances=instances, fell=fell)
        assert not early
        assert instances == 2


async def test_a_log_that_is_deleted_costs_nothing(trials: Trials, tmp_path: Path) -> None:
    row = trials.row(
        "State faults",
        "write-ahead log deleted",
        "It is put back with all that it held; nothing is lost, not even by a kill.",
        "{lost} calls missing or too many, {fell} counters that fell",
    )
    async with gateway(tmp_path) as live:
        with receiving(live) as receiver:
            async with daemon(live):
                log = live.config.state.path.with_name("state.db-wal")
                for turn in range(1, TIMES + 1):
                    bill(live)
                    log.unlink()
                    await until(lambda: counted(receiver.watch) == turn * CALLS)  # noqa: B023
                    await until(log.exists)
            watch = receiver.watch
            lost = abs(counted(watch) - TIMES * CALLS)
            saw(row, TIMES, lost=lost, fell=len(watch.wrong))
            assert not watch.wrong


async def test_a_slow_disk_slows_nothing_but_counting(
    trials: Trials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = trials.row(
        "State faults",
        "each commit takes half a second",
        "Polls of the account, exports and health go on; every call is counted once.",
        "{exports} exports, {lost} calls missing or too many, {slow} answers of /livez after more "
        "than a second",
    )
    hold = store_module.Store._check_files

    def slowly(store: Store) -> None:
        time.sleep(0.5)
        hold(store)

    async with gateway(tmp_path) as live:
        with receiving(live) as receiver:
            live.change(poll=replace(live.config.poll, transactions=60.0))
            async with daemon(live):
                await until(lambda: polled(live))
                monkeypatch.setattr(store_module.Store, "_check_files", slowly)
                bill(live)
                slow = 0
                for _ in range(5 * TIMES):
                    began = time.monotonic()
                    assert (await live.get("/livez")).status_code == 200
                    slow += time.monotonic() - began > 1
                await until(lambda: counted(receiver.watch) == CALLS)
                monkeypatch.setattr(store_module.Store, "_check_files", hold)
            lost = abs(counted(receiver.watch) - CALLS)
            saw(row, TIMES, exports=receiver.watch.exports, lost=lost, slow=slow)
            assert not receiver.watch.wrong


async def test_a_state_that_is_not_ours_is_refused_at_the_start(
    trials: Trials, tmp_path: Path
) -> None:
    row = trials.row(
        "State faults",
        "a directory that cannot be made, a directory in place of the file",
        "The start is refused with what to do.",
        "{refused} refused",
    )
    (tmp_path / "file").touch()
    (tmp_path / "folder.db").mkdir()
    for path in (tmp_path / "file" / "state.db", tmp_path / "folder.db"):
        with pytest.raises(StateError):
            Store(path)
        saw(row, refused=1)

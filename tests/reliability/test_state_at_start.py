"""A state file that is damaged or gone at a start, and one with any damage."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from exporter.errors import StateError
from exporter.gateway.readings import AccountReading, KeyRef, RollupReading, UsageBucket
from exporter.ledger.cursor import HOUR, Slice, hour_of
from exporter.ledger.ledger import Ledger, Rules
from exporter.ledger.store import Store
from tests.daemon.live import Live, daemon, gateway, polled, said, until
from tests.ledger.test_store import NOW, rows
from tests.reliability.machine import Receiver
from tests.reliability.test_state_faults import CALLS, bill, counted, receiving
from tests.reliability.trials import SOAK, Trials, saw

pytestmark = pytest.mark.anyio

DAMAGES = 2000 if SOAK else 20
Spoil = Callable[[Path], object]


def _overwrite(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(random.Random(1).randbytes(size - 4096))


DAMAGED: dict[str, Spoil] = {
    "overwritten": _overwrite,
    "cut in half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "a text": lambda path: path.write_text("this is no state file, " * 1000),
}
GONE: dict[str, Spoil] = {
    "deleted": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "deleted with its directory": lambda path: shutil.rmtree(path.parent),
}


async def one_life(live: Live, calls: int) -> Receiver:
    """Start, count all that there is to count, and end. Gives what it exported."""
    with receiving(live) as receiver:
        async with daemon(live):
            await until(lambda: polled(live))
            live.simulator.world.advance(live.simulator.clock.now())  # after counting began
            bill(live)
            await until(lambda: counted(receiver.watch) >= calls)
    return receiver


@pytest.mark.parametrize("how", [*DAMAGED, *GONE][:: 1 if SOAK else 3])
async def test_a_state_that_is_lost_starts_anew_and_says_so(
    trials: Trials, tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    again = how in GONE
    row = trials.row(
        "State faults",
        f"at the start the state file is {how}",
        "Counting starts anew "
        + ("at `usage.start`" if again else "from now, the damaged file is kept")
        + ", under a new instance id; the log says so.",
        "{before} calls counted before, {after} shown afterwards of {billed} new ones; {instances} "
        "instances, {fell} counters that fell",
    )
    caplog.set_level("INFO", "exporter")
    folder = tmp_path / "state"
    folder.mkdir()
    async with gateway(folder) as live:
        before = await one_life(live, CALLS)
        (DAMAGED | GONE)[how](live.config.state.path)
        after = await one_life(live, 2 * CALLS if again else CALLS)
    shown = counted(after.watch)
    watches = (before.watch, after.watch)
    instances = len(before.watch.instances | after.watch.instances)
    fell = sum(len(watch.wrong) for watch in watches)
    saw(row, before=CALLS, after=shown, billed=CALLS, instances=instances, fell=fell)
    assert shown == (2 * CALLS if again else CALLS)
    assert instances == 2
    assert not fell
    if again:
        assert said(caplog, "counting starts in the new file")
    else:
        assert said(caplog, "Counting starts anew from now")
        assert list(folder.glob("state.db.damaged-*"))


def use(path: Path) -> None:
    """Everything that is done with a state file, once."""
    store = Store(path)
    try:
        ledger = Ledger(store, Rules())
        ledger.open_accounts(["prod"], NOW, NOW)
        ledger.totals()
        reading = AccountReading(NOW, "88", NOW, available=10**9, lifetime_spent=10**9)
        ledger.commit_account("prod", reading)
        tail = Slice(NOW, NOW + HOUR, tail=True, sweep=False)
        ledger.commit_log("prod", rows(400), tail, None, NOW + 60)
        ledger.begin_sweep("prod", "usage", NOW + 60)
        hour = hour_of(NOW)
        bucket = UsageBucket(hour, "m1", KeyRef("1", "sk…1", "k"), 5, 5, 5, 5)
        swept = Slice(hour, NOW + HOUR, tail=True, sweep=True)
        ledger.commit_rollup("prod", RollupReading((bucket,), ()), swept, None, NOW + 60)
        totals = ledger.totals()["prod"]
        ledger.zero_points_sent([total.id for total in totals.usage], ())
    finally:
        store.close()


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Bits flipped, a part overwritten, emptied, cut off, or one page in place of another."""
    size, at = len(content), rng.randrange(len(content))
    end = min(size, at + rng.randrange(1, 600))
    page, other = (rng.randrange(size // 4096) * 4096 for _ in range(2))
    flipped = bytes([content[at] ^ 1 << rng.randrange(8)])
    return rng.choice(
        (
            content[:at] + flipped + content[at + 1 :],
            content[:at] + rng.randbytes(end - at) + content[end:],
            content[:at] + bytes(end - at) + content[end:],
            content[:at],
            content[:page] + content[other : other + 4096] + content[page + 4096 :],
        )
    )


def test_any_damage_is_a_state_error_or_is_set_aside(trials: Trials, tmp_path: Path) -> None:
    row = trials.row(
        "State faults",
        "random damage: flipped bits, overwritten, emptied or exchanged parts, cut off",
        "It is set aside, told as an error of the state, or does no harm; nothing else comes out.",
        "{aside} set aside, {told} told, {harmless} harmless",
    )
    path = tmp_path / "state.db"
    use(path)
    content = path.read_bytes()
    rng = random.Random(1)
    for _ in range(DAMAGES):
        for left in tmp_path.iterdir():
            left.unlink()
        path.write_bytes(damaged(content, rng))
        told = 1
        with suppress(StateError):
            use(path)
            told = 0
        aside = len(list(tmp_path.glob("*.damaged-*")))
        saw(row, aside=aside, told=told, harmless=int(not told and not aside))

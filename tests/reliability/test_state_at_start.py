"""A state file that is damaged or gone at a start, and one with any damage."""

from __future__ import annotations

import random
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from exporter.daemon import Daemon
from exporter.errors import StateError
from exporter.gateway.readings import AccountReading, KeyRef, RollupReading, UsageBucket
from exporter.ledger.cursor import HOUR, Slice, hour_of
from exporter.ledger.ledger import Ledger, Rules
from exporter.ledger.store import Store
from tests.daemon.live import gateway, said
from tests.ledger.test_store import NOW, rows
from tests.reliability.trials import SOAK, Trials, saw

DAMAGES = 2000 if SOAK else 20


def calls_in(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("SELECT TOTAL(requests) FROM series").fetchone()[0])


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("left", "counted", "line"),
    [
        (None, 1, "counting starts in the new file"),
        ("this is no state file, " * 1000, 0, "Counting starts anew from now"),
    ],
    ids=["deleted", "damaged"],
)
async def test_a_state_that_is_lost_starts_anew_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, left: str | None, counted: int, line: str
) -> None:
    caplog.set_level("INFO", "exporter")
    async with gateway(tmp_path) as live:
        path = live.config.state.path
        live.simulator.world.bill(at=time.time() - 5)
        await Daemon(live.config, live.environ).once()
        assert calls_in(path) == 1
        path.unlink()
        if left is not None:
            path.write_text(left)
        caplog.clear()
        await Daemon(live.config, live.environ).once()
    assert calls_in(path) == counted
    assert said(caplog, line)


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

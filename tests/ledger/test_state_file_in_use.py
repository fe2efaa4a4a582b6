"""What happens to the state file while it is open: deleted, moved, replaced, cut, overwritten."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.errors import StateError
from exporter.ledger.ledger import Ledger, Rules
from exporter.ledger.store import Store
from tests.ledger.test_store import NOW, cost_in, rows

GONE = "deleted, moved or replaced while in use"


class Open:
    """An open ledger that has counted 1,000 rows of 1 nano-USD each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path.with_name(path.name + "-wal")
        self.store = Store(path)
        self.ledger = Ledger(self.store, Rules())
        self.ledger.open_accounts(["prod"], NOW, NOW)
        self.count(1000)

    def count(self, number: int) -> None:
        """Count so many rows in all."""
        self.ledger.commit_log("prod", rows(number), None, None, NOW)

    @property
    def cost(self) -> int:
        return sum(total.cost for total in self.ledger.totals()["prod"].usage)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Open]:
    opened = Open(tmp_path / "state" / "state.db")
    yield opened
    opened.store.close()


def test_nothing_is_counted_into_a_file_that_was_deleted(state: Open) -> None:
    state.path.unlink()
    for _ in range(2):
        with pytest.raises(StateError, match=GONE):
            state.count(1100)
        assert state.cost == 1000, "what was durable when it was shown is shown on"
    assert not state.path.exists(), "nothing resets silently"


def test_nothing_is_counted_while_the_directory_is_gone(state: Open) -> None:
    shutil.rmtree(state.path.parent)
    with pytest.raises(StateError, match="restart the exporter"):
        state.count(1100)
    assert state.cost == 1000


def test_nothing_is_counted_beside_a_file_that_took_the_place(state: Open) -> None:
    other = state.path.with_name("other.db")
    Store(other).close()
    other.rename(state.path)
    with pytest.raises(StateError, match=GONE):
        state.count(1100)
    assert state.cost == 1000


def test_a_file_that_is_put_back_counts_on(state: Open) -> None:
    away, log_away = state.path.with_name("away"), state.path.with_name("away-wal")
    state.path.rename(away)
    state.log.rename(log_away)
    with pytest.raises(StateError, match=GONE):
        state.count(1100)
    away.rename(state.path)
    log_away.rename(state.log)
    state.count(1100)
    assert state.cost == 1100


def test_a_log_that_was_deleted_is_put_back_with_all_that_was_counted(state: Open) -> None:
    state.log.unlink()
    state.count(1100)
    assert state.cost == 1100
    copy = state.path.parent.parent / "as-after-a-kill.db"
    shutil.copyfile(state.path, copy)
    shutil.copyfile(state.log, copy.with_name(copy.name + "-wal"))
    assert cost_in(copy) == 1100


def test_a_file_that_was_cut_counts_nothing_and_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    Open(path).store.close()  # everything is in the file itself
    store = Store(path)
    ledger = Ledger(store, Rules())
    ledger.open_accounts(["prod"], NOW, NOW)
    before = store.instance_id
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(StateError, match="restart the exporter: it sets the damaged file aside"):
        ledger.commit_log("prod", rows(30_000), None, None, NOW)
    store.close()
    again = Store(path)
    assert again.recovered_from is not None
    assert again.instance_id != before
    again.close()

"""The state file: held by one, damaged, full, read-only, of another version or program."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.errors import StateError, StateLockedError, StateVersionError
from exporter.gateway.readings import KeyRef, UsageRow
from exporter.ledger import store as store_module
from exporter.ledger.ledger import Ledger, Rules
from exporter.ledger.schema import MIGRATIONS
from exporter.ledger.store import Store

NOW = 1_790_000_000.0


def rows(number: int, cost: int = 1) -> list[UsageRow]:
    key = KeyRef("1", "sk…1", "k")
    return [UsageRow(f"r{i:06}", NOW + 1, f"m{i % 9}", key, cost, 1, 1) for i in range(number)]


def filled(path: Path, number: int = 500) -> str:
    """A state file with rows in it; returns its instance id."""
    store = Store(path)
    ledger = Ledger(store, Rules())
    ledger.open_accounts(["prod"], NOW, NOW)
    ledger.commit_log("prod", rows(number), None, None, NOW)
    store.close()
    return store.instance_id


def cost_in(path: Path) -> int:
    store = Store(path)
    ledger = Ledger(store, Rules())
    ledger.open_accounts(["prod"], NOW, NOW)
    cost = sum(total.cost for total in ledger.totals()["prod"].usage)
    store.close()
    return cost


def test_a_new_file_is_made_with_its_directories(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "state.db"
    store = Store(path)
    assert path.exists()
    assert store.created
    assert store.recovered_from is None
    store.close()


def test_what_was_committed_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    instance = filled(path)
    assert cost_in(path) == 500
    store = Store(path)
    assert store.instance_id == instance
    assert not store.created
    store.close()


def test_commits_are_synchronous(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.db")
    assert store.db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store.db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


def test_a_second_process_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.db"
    filled(path)
    store = Store(path)
    script = (
        "import sys; from pathlib import Path\n"
        "from exporter.errors import StateLockedError; from exporter.ledger import store\n"
        "store._BUSY_SECONDS = 0.0\n"
        "try: store.Store(Path(sys.argv[1]))\n"
        "except StateLockedError as error: print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    assert "is held by another process" in run.stdout
    monkeypatch.setattr(store_module, "_BUSY_SECONDS", 0.0)
    with pytest.raises(StateLockedError, match="give each its own"):
        Store(path)
    store.close()
    assert cost_in(path) == 500


def test_a_file_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    filled(path)
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    with pytest.raises(StateVersionError, match="upgrade the exporter"):
        Store(path)
    assert list(tmp_path.glob("*.damaged*")) == []


def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE theirs (x)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(StateError, match="another program"):
        Store(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["other.db"]


def damaged(content: bytes, how: str) -> bytes:
    if how == "random":
        return os.urandom(20_000)
    if how == "text":
        return b"this is not a database, " * 1000
    if how == "truncated":
        return content[: len(content) // 2]
    if how == "cut in a page":
        return content[:5000]
    if how == "header only":
        return content[:100]
    return content[:4096] + bytes(len(content) - 4096)


@pytest.mark.parametrize(
    "how", ["random", "text", "truncated", "cut in a page", "header only", "zeroed pages"]
)
def test_a_damaged_file_is_set_aside_and_counting_starts_anew(tmp_path: Path, how: str) -> None:
    path = tmp_path / "state.db"
    instance = filled(path, 2000)
    broken = damaged(path.read_bytes(), how)
    for number in (1, 2):
        path.write_bytes(broken)
        store = Store(path)
        aside = tmp_path / f"state.db.damaged-{number}"
        assert store.recovered_from == aside
        assert aside.read_bytes() == broken
        assert store.instance_id != instance
        assert store.created
        store.close()


def test_an_empty_file_is_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.touch()
    store = Store(path)
    assert store.created
    assert store.recovered_from is None
    store.close()


def test_a_directory_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match=r"let state\.path point"):
        Store(tmp_path / "file" / "state.db")


def test_a_directory_in_place_of_the_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "state.db").mkdir()
    with pytest.raises(StateError, match="cannot use the state file"):
        Store(tmp_path / "state.db")


def test_a_file_that_may_not_be_written_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.db"
    filled(path)
    connect = sqlite3.connect
    # Permissions do not stop a superuser, who may run the tests: SQLite is told instead.
    monkeypatch.setattr(
        sqlite3, "connect", lambda path, **rest: connect(f"file:{path}?mode=ro", uri=True, **rest)
    )
    with pytest.raises(StateError, match="check the disk and its permissions"):
        Store(path)


def test_a_full_disk_counts_nothing_and_heals(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    filled(path)
    store = Store(path)
    ledger = Ledger(store, Rules())
    ledger.open_accounts(["prod"], NOW, NOW)
    before = ledger.totals()["prod"]
    (pages,) = store.db.execute("PRAGMA page_count").fetchone()
    store.db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StateError, match="full"):
        ledger.commit_log("prod", rows(3000, 2), None, None, NOW)
    assert ledger.totals()["prod"] == before
    assert not store.db.in_transaction
    store.db.execute("PRAGMA max_page_count = 1000000")
    ledger.commit_log("prod", rows(3000, 2), None, None, NOW)
    assert sum(total.cost for total in ledger.totals()["prod"].usage) == 6000
    store.close()


def test_a_file_that_cannot_be_read_is_a_state_error(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.db")
    ledger = Ledger(store, Rules())
    ledger.open_accounts(["prod"], NOW, NOW)
    store.close()
    with pytest.raises(StateError, match="cannot read"):
        ledger.cursor("prod", "usage")
    with pytest.raises(StateError, match="cannot read"):
        ledger.totals()
    with pytest.raises(StateError, match="cannot write"):
        ledger.zero_points_sent([1], [])


def test_a_migration_happens_as_a_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.db"
    instance = filled(path)
    broken = (*MIGRATIONS, "ALTER TABLE account ADD COLUMN extra INTEGER; NONSENSE;")
    monkeypatch.setattr(store_module, "MIGRATIONS", broken)
    with pytest.raises(StateError):
        Store(path)
    mended = (*MIGRATIONS, "ALTER TABLE account ADD COLUMN extra INTEGER;")
    monkeypatch.setattr(store_module, "MIGRATIONS", mended)
    store = Store(path)
    assert store.instance_id == instance
    assert store.db.execute("PRAGMA user_version").fetchone() == (len(mended),)
    assert store.db.execute("SELECT extra FROM account").fetchall() == [(None,)]
    store.close()
    assert cost_in(path) == 500


def test_a_sum_past_64_bits_fails_and_stays_whole(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.db")
    ledger = Ledger(store, Rules())
    ledger.open_accounts(["prod"], NOW, NOW)
    largest = 2**63 - 1  # no decoder lets this pass
    key = KeyRef("1", "sk…1", "k")
    ledger.commit_log("prod", [UsageRow("a", NOW, "m", key, largest, 0, 0)], None, None, NOW)
    with pytest.raises(StateError), store.transaction() as db:
        db.execute("UPDATE series SET cost = cost + 1")
    (total,) = ledger.totals()["prod"].usage
    assert (total.cost, total.requests) == (largest, 1)
    assert store.db.execute("SELECT typeof(cost) FROM series").fetchall() == [("integer",)]
    store.close()

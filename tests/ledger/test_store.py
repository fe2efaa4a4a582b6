"""The state file: held by one, damaged, full, read-only, of another version or program."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
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


@contextmanager
def opened(path: Path) -> Iterator[tuple[Store, Ledger]]:
    """A state file and its ledger, of one account."""
    with closing(Store(path)) as store:
        ledger = Ledger(store, Rules())
        ledger.open_accounts(["prod"], NOW, NOW)
        yield store, ledger


def filled(path: Path, number: int = 500) -> str:
    """A state file with rows in it; returns its instance id."""
    with opened(path) as (store, ledger):
        ledger.commit_log("prod", rows(number), None, None, NOW)
        return store.instance_id


def cost_in(path: Path) -> int:
    with opened(path) as (_, ledger):
        return sum(total.cost for total in ledger.totals()["prod"].usage)


def test_a_new_file_is_made_with_its_directories_and_is_written_at_once(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "a" / "b" / "state.db")) as store:
        assert store.path.exists()
        assert (store.created, store.recovered_from) == (True, None)
        assert store.db.execute("PRAGMA synchronous").fetchone() == (2,)
        assert store.db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_what_was_committed_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    instance = filled(path)
    assert cost_in(path) == 500
    with closing(Store(path)) as store:
        assert store.instance_id == instance
        assert not store.created


def test_a_second_process_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.db"
    script = (
        "import sys; from pathlib import Path\n"
        "from exporter.errors import StateLockedError; from exporter.ledger import store\n"
        "store._BUSY_SECONDS = 0.0\n"
        "try: store.Store(Path(sys.argv[1]))\n"
        "except StateLockedError as error: print(error)\n"
    )
    command = [sys.executable, "-c", script, str(path)]
    filled(path)
    with closing(Store(path)):
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        assert "is held by another process" in run.stdout
        monkeypatch.setattr(store_module, "_BUSY_SECONDS", 0.0)
        with pytest.raises(StateLockedError, match="give each its own"):
            Store(path)
    assert cost_in(path) == 500


@pytest.mark.parametrize(
    ("statement", "error", "advice"),
    [
        (f"PRAGMA user_version = {len(MIGRATIONS) + 1}", StateVersionError, "upgrade the exporter"),
        ("PRAGMA application_id = 7", StateError, "another program"),
    ],
)
def test_a_file_of_a_newer_version_or_another_program_is_refused_and_left_alone(
    tmp_path: Path, statement: str, error: type[StateError], advice: str
) -> None:
    path = tmp_path / "state.db"
    filled(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute(statement)
    before = path.read_bytes()
    with pytest.raises(error, match=advice):
        Store(path)
    assert path.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["state.db", "state.db.lock"]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "random": lambda content: os.urandom(20_000),
    "text": lambda content: b"this is not a database, " * 1000,
    "truncated": lambda content: content[: len(content) // 2],
    "cut in a page": lambda content: content[:5000],
    "header only": lambda content: content[:100],
    "zeroed pages": lambda content: content[:4096] + bytes(len(content) - 4096),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_set_aside_and_counting_starts_anew(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "state.db"
    instance = filled(path, 2000)
    broken = DAMAGES[damage](path.read_bytes())
    for number in (1, 2):
        path.write_bytes(broken)
        with closing(Store(path)) as store:
            aside = tmp_path / f"state.db.damaged-{number}"
            assert store.recovered_from == aside
            assert aside.read_bytes() == broken
            assert store.instance_id != instance
            assert store.created


def test_an_empty_file_is_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "state.db").touch()
    with closing(Store(tmp_path / "state.db")) as store:
        assert (store.created, store.recovered_from) == (True, None)


def test_a_path_that_cannot_be_a_file_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match=r"let state\.path point"):
        Store(tmp_path / "file" / "state.db")
    with pytest.raises(StateError, match="cannot use the state file"):
        Store(tmp_path)


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
    with opened(path) as (store, ledger):
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


def test_a_file_that_cannot_be_read_is_a_state_error(tmp_path: Path) -> None:
    with opened(tmp_path / "state.db") as (_, ledger):
        pass
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
    with opened(tmp_path / "state.db") as (store, ledger):
        largest = 2**63 - 1  # no decoder lets this pass
        ledger.commit_log("prod", rows(1, largest), None, None, NOW)
        with pytest.raises(StateError), store.transaction() as db:
            db.execute("UPDATE series SET cost = cost + 1")
        (total,) = ledger.totals()["prod"].usage
        assert (total.cost, total.requests) == (largest, 1)
        assert store.db.execute("SELECT typeof(cost) FROM series").fetchall() == [("integer",)]

"""Commands read the state file while the exporter runs, and never write it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from exporter.errors import StateError
from exporter.ledger.state_reader import account_id, reading_state
from exporter.ledger.store import Store
from tests.ledger.test_store import filled


def spent(path: Path) -> int:
    with reading_state(path) as db:
        assert account_id(db, "prod") is not None
        (cost,) = db.execute("SELECT SUM(cost) FROM series").fetchone()
    return int(cost)


def test_what_is_committed_is_read_while_a_writer_has_the_file(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    filled(path)
    with closing(Store(path)) as store:
        with store.transaction() as db:
            db.execute("UPDATE series SET cost = cost + 1000 WHERE model = 'm0'")
            assert spent(path) == 500, "nothing that is not committed"
        assert spent(path) == 1500


def test_a_reader_does_not_keep_the_writer_from_committing(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    filled(path)
    with closing(Store(path)) as store, reading_state(path) as reader:
        query = "SELECT SUM(cost) FROM series"
        assert reader.execute(query).fetchone() == (500,)
        with store.transaction() as db:
            db.execute("UPDATE series SET cost = cost + 1000 WHERE model = 'm0'")
        assert reader.execute(query).fetchone() == (500,), "all of one moment"
    assert spent(path) == 1500


def test_a_state_at_rest_is_read_without_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    filled(path)
    before, files = path.read_bytes(), sorted(os.listdir(tmp_path))
    assert spent(path) == 500
    assert (path.read_bytes(), sorted(os.listdir(tmp_path))) == (before, files)


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    filled(path)
    refused = pytest.raises(StateError, match="readonly")
    with closing(Store(path)), refused, reading_state(path) as db:
        db.execute("UPDATE series SET cost = 0")
    assert spent(path) == 500


def test_what_is_no_state_of_this_version_says_so(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="does not exist"), reading_state(tmp_path / "none.db"):
        pass
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as db:
        db.execute("CREATE TABLE it (is_other)")
    with pytest.raises(StateError, match="is no state file"), reading_state(other):
        pass
    state = tmp_path / "state.db"
    filled(state)
    with closing(sqlite3.connect(state)) as db:
        db.execute("PRAGMA user_version = 1")
    refused = pytest.raises(StateError, match="use the version of the exporter that runs")
    with refused, reading_state(state):
        pass

"""The state file for looking only, also while the exporter runs: nothing here writes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from exporter.errors import StateError, StateVersionError
from exporter.ledger import credit_unit
from exporter.ledger.schema import APPLICATION_ID, MIGRATIONS
from exporter.money import CREDITS_PER_USD

_BUSY_SECONDS = 5.0


@contextmanager
def reading_state(path: Path) -> Iterator[sqlite3.Connection]:
    """What is committed at this moment, all of one moment. Raises StateError."""
    if not path.exists():
        raise StateError(f"{path} does not exist: the first run makes it, and counts from then on")
    try:
        with closing(_open(path)) as db:
            db.execute("PRAGMA query_only = ON")
            db.execute("BEGIN")
            _check(db, path)
            yield db
    except sqlite3.Error as error:
        raise StateError(
            f"cannot read the state file {path}: {error}; check that it may be read, and that "
            "its directory is the exporter's own"
        ) from error


def _open(path: Path) -> sqlite3.Connection:
    """The file as it is on the disk where no exporter has it open, and no commit waits beside it.

    There SQLite would make files of its own, which somebody who may only read cannot.
    """
    idle = not path.with_name(path.name + "-wal").exists()
    how = "mode=ro&immutable=1" if idle else "mode=ro"
    return sqlite3.connect(
        f"file:{quote(str(path))}?{how}", uri=True, timeout=_BUSY_SECONDS, isolation_level=None
    )


def _check(db: sqlite3.Connection, path: Path) -> None:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise StateError(f"{path} is no state file; let state.path point to the exporter's")
    if version != len(MIGRATIONS):
        raise StateVersionError(
            f"{path} is of state version {version} and this command reads {len(MIGRATIONS)}: "
            "use the version of the exporter that runs"
        )


def unit_of(path: Path, name: str, configured: int | None) -> int:
    """In how many credits for a USD the account's rows are counted. Raises StateError.

    Where that is not decided yet it is the documented number.
    """
    with reading_state(path) as db:
        account = account_id(db, name)
        if account is None:
            return configured or CREDITS_PER_USD
        return credit_unit.read(db, account, configured).per_usd or CREDITS_PER_USD


def account_id(db: sqlite3.Connection, name: str) -> int | None:
    """The number of an account that is being counted, None where it was never."""
    row = db.execute("SELECT id FROM account WHERE name = ?", (name,)).fetchone()
    return None if row is None else int(row[0])

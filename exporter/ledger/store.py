"""SQLite: one file, one writer, one transaction per commit.

The file is held exclusively, so that a second daemon on the same state refuses to start.
Commits are synchronous to the disk: a total that was shown outside survives a power cut.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exporter.errors import StateError, StateLockedError, StateVersionError
from exporter.ledger.schema import APPLICATION_ID, MIGRATIONS

_BUSY_SECONDS = 1.0


class Store:
    """An open state file. Used from one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open or create the file. Raises StateError, with what to do about it.

        A file that is damaged is set aside and named in `recovered_from`. `created` says
        whether counting starts anew.
        """
        self.path = path
        self.created = False
        self.recovered_from: Path | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StateError(
                f"cannot create the directory {path.parent} for the state file: {error.strerror}; "
                "create it, or let state.path point to a writable place"
            ) from error
        try:
            self.db = self._open()
        except _UnreadableError as error:
            self.recovered_from = self._set_aside(error)
            self.db = self._open()
        self._files = self._identities()
        self.instance_id = self._instance_id()

    def _open(self) -> sqlite3.Connection:
        try:
            db = sqlite3.connect(
                self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise self._explain(error) from error
        try:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._check_owner(db)
            _hold(db)
            self._migrate(db)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            db.close()
            raise self._explain(error) from error
        except BaseException:
            db.close()
            raise
        return db

    def _check_owner(self, db: sqlite3.Connection) -> None:
        """Refuse another program's database, before anything in it is changed."""
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (tables,) = db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        self.created = not tables
        if tables and application != APPLICATION_ID:
            raise StateError(
                f"{self.path} is a database of another program; let state.path point elsewhere"
            )

    def _migrate(self, db: sqlite3.Connection) -> None:
        """Check that the file is whole, and bring it to the newest version."""
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise StateVersionError(
                f"{self.path} was written by a newer version of the exporter (state version "
                f"{version}, this one knows {len(MIGRATIONS)}); upgrade the exporter"
            )
        if db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise _UnreadableError("its pages are damaged")
        for number, migration in enumerate(MIGRATIONS[version:], start=version + 1):
            db.executescript(
                f"BEGIN; {migration} PRAGMA application_id = {APPLICATION_ID}; "
                f"PRAGMA user_version = {number}; COMMIT;"
            )

    def _explain(self, error: Exception) -> Exception:
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return StateLockedError(
                f"{self.path} is held by another process; stop the other exporter, or give each "
                "its own state.path"
            )
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or not name:
            return _UnreadableError("it is not a state file, or it is damaged")
        return StateError(
            f"cannot use the state file {self.path}: {error}; check the disk and its permissions"
        )

    def _set_aside(self, error: Exception) -> Path:
        """Keep an unreadable file for a look later, and make room for a new one."""
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.damaged-{number}")).exists():
            number += 1
        try:
            self.path.rename(aside)
            _log_of(self.path).unlink(missing_ok=True)
            self.path.with_name(self.path.name + "-shm").unlink(missing_ok=True)
        except OSError as problem:
            raise StateError(
                f"the state file {self.path} cannot be read ({error}) nor moved aside: "
                f"{problem.strerror}; move it away, or let state.path point elsewhere"
            ) from problem
        return aside

    def _instance_id(self) -> str:
        with self.transaction() as db:
            db.execute(
                "INSERT OR IGNORE INTO meta VALUES ('service.instance.id', ?)", (str(uuid.uuid4()),)
            )
            row = db.execute("SELECT value FROM meta WHERE name = 'service.instance.id'").fetchone()
        return str(row[0])

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything inside is durable together, or not at all. Raises StateError.

        SQLite writes on into a file that was deleted or replaced: what would be gone with the
        process is not committed.
        """
        try:
            self._mend_log()
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield self.db
                self._check_files()
                self.db.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise
        except (sqlite3.Error, OverflowError, UnicodeError) as error:
            raise StateError(
                f"cannot write the state file {self.path}: {error}; nothing of this poll was "
                f"counted; {_remedy(error, 'it is read again once the disk works')}"
            ) from error

    def _identities(self) -> dict[Path, tuple[int, int] | None]:
        """The file and its log, as the system tells them from others of the same name."""
        return {path: _identity(path) for path in (self.path, _log_of(self.path))}

    def _check_files(self) -> None:
        if self._identities() != self._files:
            raise StateError(
                f"the state file {self.path} was deleted, moved or replaced while in use; nothing "
                "is counted until it is back. Put it back, or restart the exporter: without the "
                "file it starts counting anew"
            )

    def _mend_log(self) -> None:
        """Put the log back where only it was deleted: all that it holds goes into the file."""
        log = _log_of(self.path)
        if self._files[log] is None or _identity(log) is not None:
            return
        if _identity(self.path) == self._files[self.path]:
            self.db.execute("PRAGMA journal_mode = DELETE")
            _hold(self.db)
            self._files = self._identities()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """For looking only. Raises StateError."""
        try:
            yield self.db
        except (sqlite3.Error, UnicodeError) as error:
            raise StateError(
                f"cannot read the state file {self.path}: {error}; "
                f"{_remedy(error, 'check the disk')}"
            ) from error

    def close(self) -> None:
        """Let go of the file."""
        self.db.close()


class _UnreadableError(Exception):
    """The file is there and holds no state that can be read."""


def _log_of(path: Path) -> Path:
    """SQLite's write-ahead log: commits wait there until it copies them into the file."""
    return path.with_name(path.name + "-wal")


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode; None where no such file can be seen."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _remedy(error: Exception, otherwise: str) -> str:
    """What to do about an error of an open file."""
    if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return "restart the exporter: it sets the damaged file aside and starts counting anew"
    return otherwise


def _hold(db: sqlite3.Connection) -> None:
    """Take the file for this connection alone, and make every commit durable."""
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA journal_size_limit = 4194304")
    db.execute("PRAGMA cache_size = -256")
    db.execute("BEGIN IMMEDIATE")
    db.execute("COMMIT")

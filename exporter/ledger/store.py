"""SQLite: one file, one writer, one transaction per commit.

The file is held exclusively, so that a second daemon on the same state refuses to start.
Commits are synchronous to the disk: a total that was shown outside survives a power cut.
"""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from exporter.errors import StateError, StateLockedError, StateVersionError
from exporter.ledger.naming import spell_masks_anew
from exporter.ledger.owners import set_all_aside
from exporter.ledger.schema import APPLICATION_ID, MASKS_SPELLED_ANEW, MIGRATIONS

_BUSY_SECONDS = 1.0

SET_ASIDE = "set aside"
"""In `meta`: the damaged file in whose place this one is, until accounts are known."""

BEGINS_NOW = "begins now"
"""In `meta`: a new identity was begun, and its accounts are not known yet."""

_INSTANCE = "service.instance.id"

_SPOILT = (sqlite3.Error, UnicodeError, TypeError)
"""A bit that flips on the disk can make a number a text, which SQLite itself does not mind."""


class Store:
    """An open state file. Used from one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open or create the file. Raises StateError, with what to do about it.

        A file that is damaged is set aside and named in `recovered_from`, until accounts are
        known to the new one (see `Ledger.open_accounts`): a crash before that forgets nothing.
        `created` says whether counting starts anew.
        """
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StateError(
                f"cannot create the directory {path.parent} for the state file: {error.strerror}; "
                "create it, or let state.path point to a writable place"
            ) from error
        try:
            self.db, self.created = self._open(path)
        except _UnreadableError as error:
            self._begin_anew(error)
            self.db, self.created = self._open(path)
        self._files = self._identities()
        self.instance_id = self._instance_id()
        self.recovered_from = self._set_aside()
        self.created = self.created or self.recovered_from is not None
        self._new_identity = self._meta(BEGINS_NOW) is not None

    @property
    def begins_now(self) -> bool:
        """Whether what came before is counted elsewhere, so that new accounts begin now."""
        return self.recovered_from is not None or self._new_identity

    def begin_identity(self) -> int:
        """A new instance id, under which every account begins anew; gives how many they are."""
        with self.transaction() as db:
            db.execute("DELETE FROM meta WHERE name = ?", (_INSTANCE,))
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, '')", (BEGINS_NOW,))
            accounts = set_all_aside(db)
        self.instance_id = self._instance_id()
        return accounts

    def _open(self, path: Path) -> tuple[sqlite3.Connection, bool]:
        """The file, held, whole and of the newest version; whether it was made just now."""
        try:
            db = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise self._explain(error) from error
        try:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            made = self._check_owner(db)
            _hold(db)
            self._migrate(db)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            db.close()
            raise self._explain(error) from error
        except BaseException:
            db.close()
            raise
        return db, made

    def _check_owner(self, db: sqlite3.Connection) -> bool:
        """Refuse another program's database, before anything in it is changed.

        Returns whether the file is empty.
        """
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (tables,) = db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        if tables and application != APPLICATION_ID:
            raise StateError(
                f"{self.path} is a database of another program; let state.path point elsewhere"
            )
        return not tables

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
                f"PRAGMA user_version = {number};"
            )
            if number == MASKS_SPELLED_ANEW:
                spell_masks_anew(db)
            db.execute("COMMIT")

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

    def _begin_anew(self, error: Exception) -> None:
        """Keep an unreadable file for a look later, and put a new one in its place.

        The new one says where the old one is from its first moment on: at no step would a crash
        make it look like a first start, which may count history again.
        """
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.damaged-{number}")).exists():
            number += 1
        new = self.path.with_name(self.path.name + ".new")
        try:
            for old in (new, _log_of(new)):
                old.unlink(missing_ok=True)
            with closing(self._open(new)[0]) as db:
                db.execute("INSERT INTO meta VALUES (?, ?)", (SET_ASIDE, str(aside)))
            try:
                os.link(self.path, aside)
            except OSError:  # not every file system can: then there is a moment without a file
                self.path.rename(aside)
            _log_of(self.path).unlink(missing_ok=True)
            self.path.with_name(self.path.name + "-shm").unlink(missing_ok=True)
            new.replace(self.path)
        except (OSError, sqlite3.Error) as problem:
            reason = problem.strerror if isinstance(problem, OSError) else problem
            raise StateError(
                f"the state file {self.path} cannot be read ({error}) nor moved aside: {reason}; "
                "move it away, or let state.path point elsewhere"
            ) from problem

    def _set_aside(self) -> Path | None:
        """The unreadable file in whose place this one is, while no account is known to it."""
        aside = self._meta(SET_ASIDE)
        return None if aside is None else Path(aside)

    def _meta(self, name: str) -> str | None:
        with self.reading() as db:
            row = db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def _instance_id(self) -> str:
        with self.transaction() as db:
            db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (_INSTANCE, str(uuid.uuid4())))
        return str(self._meta(_INSTANCE))

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything inside is durable together, or not at all. Raises StateError.

        SQLite writes on into a file that was deleted or replaced: what would be gone with the
        process is not committed.
        """
        try:
            if self.db.in_transaction:  # the last one could not even be given up
                self.db.execute("ROLLBACK")
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
        except (*_SPOILT, OverflowError) as error:
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
        except _SPOILT as error:
            raise StateError(
                f"cannot read the state file {self.path}: {error}; "
                f"{_remedy(error, 'check the disk')}"
            ) from error

    def close(self) -> None:
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
    if isinstance(error, TypeError):
        return "the file is damaged: move it away and restart the exporter, which then counts anew"
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

"""One writer of a state file, kept by a lock on a file beside it.

SQLite's own exclusive mode would keep readers out too. The lock file stays: whoever removed it
while another process waits for it would let two of them in.
"""

from __future__ import annotations

import fcntl
from pathlib import Path

from exporter.errors import StateError, StateLockedError


def lock_of(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


class WriterLock:
    """Held from the moment it is made until `release`, or until the process ends in any way."""

    def __init__(self, path: Path) -> None:
        """`path` is the state file. Raises StateLockedError where another process holds it."""
        file = lock_of(path)
        try:
            self._file = file.open("ab")
        except OSError as error:
            raise StateError(
                f"cannot use the state file {path}: {file} cannot be made or opened "
                f"({error.strerror}); check the disk and its permissions"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise held(path) from error
        except OSError as error:
            self._file.close()
            raise StateError(
                f"cannot lock {file} ({error.strerror}): let state.path point to a file on a disk "
                "that knows locks"
            ) from error

    def release(self) -> None:
        self._file.close()


def held(path: Path) -> StateLockedError:
    """What a second exporter is told."""
    return StateLockedError(
        f"{path} is held by another process; stop the other exporter, or give each its own "
        "state.path"
    )

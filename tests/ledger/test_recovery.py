"""A damaged state file is set aside in steps; a crash at any of them forgets nothing."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from exporter.errors import StateError
from exporter.ledger.ledger import Ledger, Rules
from exporter.ledger.store import Store
from tests.ledger.test_store import NOW, filled

STEPS = ((os, "link"), (Path, "unlink"), (Path, "rename"), (Path, "replace"))


class Crash(BaseException):
    """The process ends here."""


class Fuse:
    """Ends the process before its step number `left`, or after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, left: int, after: bool) -> None:
        self.left = left
        self._after = after
        for place, name in STEPS:
            monkeypatch.setattr(place, name, self._guarded(getattr(place, name)))

    def _guarded(self, step: Callable[..., object]) -> Callable[..., object]:
        def guarded(*args: object, **kwargs: object) -> object:
            self.left -= 1
            if self.left == 0 and not self._after:
                raise Crash
            result = step(*args, **kwargs)
            if self.left == 0:
                raise Crash
            return result

        return guarded


def counts_from_now(path: Path) -> bool:
    """Whether a start now knows that the state was lost; afterwards accounts are known."""
    store = Store(path)
    lost = store.recovered_from is not None
    Ledger(store, Rules()).open_accounts(["prod"], NOW, NOW)
    store.close()
    return lost


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_step_of_setting_a_file_aside_is_no_first_start(
    tmp_path: Path, after: bool
) -> None:
    crashes = 0
    while True:
        folder = tmp_path / str(crashes)
        folder.mkdir()
        path = folder / "state.db"
        filled(path)
        path.write_bytes(broken := b"this is not a database, " * 1000)
        with pytest.MonkeyPatch.context() as patched:
            fuse = Fuse(patched, crashes + 1, after)
            with suppress(Crash):
                Store(path).close()
            if fuse.left > 0:
                break
        crashes += 1
        assert counts_from_now(path)
        assert not counts_from_now(path), "it is said once accounts are known"
        assert broken in [kept.read_bytes() for kept in folder.glob("state.db.damaged-*")]
    assert crashes >= 5


def test_where_files_cannot_be_linked_the_damaged_one_is_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", cannot)
    path = tmp_path / "state.db"
    path.write_bytes(b"nonsense" * 1000)
    assert counts_from_now(path)
    assert path.with_name("state.db.damaged-1").read_bytes() == b"nonsense" * 1000


def test_a_damaged_file_that_cannot_be_moved_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "replace", cannot)
    path = tmp_path / "state.db"
    path.write_bytes(b"nonsense" * 1000)
    with pytest.raises(StateError, match="nor moved aside: Read-only file system"):
        Store(path)
    assert path.read_bytes() == b"nonsense" * 1000


def test_a_disk_without_room_for_a_new_file_keeps_the_damaged_one(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"nonsense" * 1000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    try:
        with pytest.raises(StateError):
            Store(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"nonsense" * 1000
    assert counts_from_now(path)

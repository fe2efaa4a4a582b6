"""A real receiver as a child process: started, awaited, stopped by its own id, logs kept."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self, TypeVar

SECONDS = 30.0
"""How long a peer may take to start, or to show what was sent to it."""

T = TypeVar("T")


class PeerError(Exception):
    """A peer did not start, or did not show in time what it was waited for."""


def until(look: Callable[[], T | None], what: str, seconds: float = SECONDS) -> T:
    """The first value of `look` that is neither None nor empty. Raises PeerError."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise PeerError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.05)


def free_port() -> int:
    """A port that was free a moment ago, for what cannot tell which port it chose."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Peer:
    """One running receiver, in a folder of its own. Use it with `with`.

    A subclass gives `command`, and learns its addresses in `started`.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.log = folder / "output.log"

    def command(self) -> Sequence[str | Path]:
        """Write the configuration, and give the command line."""
        raise NotImplementedError

    def started(self) -> None:
        """Wait until it is ready and learn its addresses. Raises PeerError."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(word) for word in self.command()],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self.started()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask it to end, and insist after 10 s. Also what an outage of the receiver is made of."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def logged(self, pattern: str) -> str:
        """The first group of `pattern` in the log, as soon as it is there. Raises PeerError."""

        def look() -> re.Match[str] | None:
            found = re.search(pattern, self.output())
            if not found and self._process.poll() is not None:
                raise PeerError(f"{type(self).__name__} ended at once:\n{self.output()[-4000:]}")
            return found

        try:
            return until(look, f"{pattern!r} in its log")[1]
        except PeerError as error:
            raise PeerError(f"{error}:\n{self.output()[-4000:]}") from None

"""Child processes: started, measured from `/proc`, and ended whatever happens. Linux only."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Self

import msgspec

_TICKS = os.sysconf("SC_CLK_TCK")
_STOP_SECONDS = 15.0
MIB = 1024.0
"""KiB in a MiB: the kernel tells memory in KiB."""


class Memory(msgspec.Struct, frozen=True):
    """Resident memory of a process in MiB: now, and the most there ever was."""

    now: float
    peak: float


class Finished(msgspec.Struct, frozen=True):
    """A process that ended by itself: seconds from start to end, and of processor time."""

    wall: float
    cpu: float


class Child:
    """A process that is ended when the block ends. Its standard error goes to the file `log`."""

    def __init__(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        log: Path,
        core: int | None = None,
    ) -> None:
        """`core`: the only processor core that it may use, None for any."""
        self._log = log
        pinned = [] if core is None else ["taskset", "--cpu-list", str(core)]
        self.started = time.monotonic()
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [*pinned, *command],
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def output(self) -> IO[str]:
        """Its standard output."""
        assert self._process.stdout is not None
        return self._process.stdout

    def check(self) -> None:
        """Raise RuntimeError, with the end of its log, if it is no longer running."""
        code = self._process.poll()
        if code is not None:
            raise RuntimeError(f"a child ended with {code}: {self._tail()}")

    def finish(self, seconds: float) -> Finished:
        """Wait until it ends by itself. Raises RuntimeError if it fails."""
        _, status, usage = _wait(self._process.pid, self.started + seconds)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - self.started
        if self._process.returncode != 0:
            raise RuntimeError(f"a child failed with {self._process.returncode}: {self._tail()}")
        return Finished(wall, usage.ru_utime + usage.ru_stime)

    def memory(self) -> Memory:
        """Its memory, threads included."""
        return read_memory(Path(f"/proc/{self._process.pid}/status").read_text())

    def cpu(self) -> float:
        """Seconds of processor time that it has used, of all its threads, ended ones included."""
        return read_cpu(Path(f"/proc/{self._process.pid}/stat").read_text())

    def stop(self) -> None:
        """End it, gently if it lets us."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self.output.close()

    def _tail(self) -> str:
        return self._log.read_text()[-2000:]


def read_memory(status: str) -> Memory:
    """The memory that the text of `/proc/…/status` tells."""
    numbers = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB$", status, re.MULTILINE))
    return Memory(int(numbers["VmRSS"]) / MIB, int(numbers["VmHWM"]) / MIB)


def read_cpu(stat: str) -> float:
    """The processor time in seconds that the text of `/proc/…/stat` tells.

    The name of the program, in parentheses, may hold anything; user and system time are the
    12th and 13th field after it.
    """
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _wait(pid: int, deadline: float) -> tuple[int, int, resource.struct_rusage]:
    """As `os.wait4`. Raises TimeoutError at `deadline` (monotonic seconds)."""
    while time.monotonic() < deadline:
        ended = os.wait4(pid, os.WNOHANG)
        if ended[0]:
            return ended
        time.sleep(0.002)
    raise TimeoutError("a child did not end in time")

"""The simulated gateway, in a process of its own."""

from __future__ import annotations

import json
import re
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.environment import ROOT, base_environ
from benchmarks.processes import Child


class Gateway:
    """A running simulated gateway: its URL, and an API key that it knows."""

    def __init__(self, child: Child, url: str, api_key: str) -> None:
        self.child = child
        self.url = url
        self.api_key = api_key

    def requests(self) -> dict[str, int]:
        """Requests so far, by endpoint."""
        with urllib.request.urlopen(f"{self.url}/simulator/requests", timeout=30) as answer:  # noqa: S310
            counts: dict[str, int] = json.load(answer)
        return counts


@contextmanager
def gateway(directory: Path, *options: str, core: int | None = None) -> Iterator[Gateway]:
    """Serve with these options of `simulate`, and no limit of requests, while the block runs."""
    command = [sys.executable, "-m", "exporter", "simulate", "--listen", "127.0.0.1:0"]
    command += ["--control", "--rpm-limit", "0", *options]
    with Child(command, base_environ(ROOT), directory / "gateway.log", core) as child:
        introduction = [child.output.readline(), child.output.readline()]
        found = re.findall(r"(?:gateway|key): (\S+)", "".join(introduction))
        if len(found) != 2:
            child.check()
            raise RuntimeError(f"the simulated gateway said {introduction}")
        yield Gateway(child, *found)

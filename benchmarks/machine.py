"""What machine the numbers come from: ratios travel, absolute numbers do not."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import subprocess
from pathlib import Path

_PACKAGES = ("httpx", "msgspec", "opentelemetry-sdk", "h11")


def describe(python: str) -> str:
    """The machine and the versions as a Markdown list. `python` runs the measured exporter."""
    return "\n".join(
        (
            f"- {processor(Path('/proc/cpuinfo').read_text())}, {os.cpu_count()} cores, "
            f"{platform.system()} {platform.release()}",
            f"- Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
            f"{_versions(python)}",
            f"- load average when the run began: {os.getloadavg()[0]:.1f}; what others use of a "
            "core makes every time here longer, and processor time a little",
        )
    )


def processor(cpuinfo: str) -> str:
    """The model of the processor that the text of `/proc/cpuinfo` names."""
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _versions(python: str) -> str:
    code = f"from importlib.metadata import version\nfor n in {_PACKAGES!r}: print(n, version(n))"
    told = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    return ", ".join(told.stdout.split("\n")[:-1])

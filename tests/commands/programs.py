"""The commands as processes: to their end, or as a daemon that is sent signals."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from signal import SIGTERM, Signals

from tests.e2e.gateway import PROGRAM
from tests.peers.process import Peer

KEY = "sk-byts-0123456789abcdef0123456789ab9f3c"
"""A key that nobody knows."""

LIMIT = 10.0
"""Seconds within which a daemon ends whatever hangs."""

Settings = Mapping[str, object]


def configured(folder: Path, url: str, key: str = KEY, **settings: object) -> Path:
    """A configuration in a hurry, of one account `prod` at `url`. Sections are merged."""
    (folder / "key").write_text(key, encoding="utf-8")
    whole: dict[str, object] = {
        "gateway": {"base_url": url, "timeout": "2s", "max_requests_per_minute": 6000},
        "accounts": [{"name": "prod", "api_key_file": str(folder / "key")}],
        "poll": {"account": "200ms", "usage": "200ms", "transactions": "200ms"},
        "otlp": {"endpoint": "", "interval": "200ms", "timeout": "2s"},
        "state": {"path": str(folder / "state.db")},
        "http": {"listen": "127.0.0.1:0"},
    }
    for name, value in settings.items():
        before = whole.get(name)
        both = isinstance(before, dict) and isinstance(value, dict)
        whole[name] = {**before, **value} if both else value  # type: ignore[dict-item]
    path = folder / "config.yaml"
    path.write_text(json.dumps(whole), encoding="utf-8")  # JSON is YAML
    return path


def program(*words: str | Path, variables: Mapping[str, str] | None = None) -> list[str]:
    """A command line, with these variables beside the few that the tests give."""
    given = [f"{name}={value}" for name, value in (variables or {}).items()]
    return [*PROGRAM[:4], *given, *PROGRAM[4:], *map(str, words)]


def finished(
    *words: str | Path, folder: Path, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A command that ended by itself."""
    return subprocess.run(
        program(*words, variables=variables),
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=30,
        check=False,
    )


class Exporter(Peer):
    """`run` as a process; a `wrapper` is Python code that is executed before it."""

    def __init__(self, config: Path, *, wrapper: str = "") -> None:
        super().__init__(config.parent)
        self._config = config
        self._wrapper = wrapper

    def command(self) -> Sequence[str | Path]:
        words = ["run", "--config", str(self._config)]
        if not self._wrapper:
            return program(*words)
        python = PROGRAM[:-2]
        code = f"{self._wrapper}\nfrom exporter.cli import main\nmain({words!r})"
        return [*python, "-c", code]

    def started(self) -> None:
        self.logged("(Polling)")

    @property
    def url(self) -> str:
        """Of the status page."""
        return self.logged(r"status page at (http://[^/\s]+)")

    def signal(self, number: Signals) -> None:
        self._process.send_signal(number)

    def end(self, number: Signals = SIGTERM) -> tuple[int, float]:
        """Its exit code after the signal, and the seconds it took."""
        began = time.monotonic()
        self.signal(number)
        code = self._process.wait(2 * LIMIT)
        return code, time.monotonic() - began

"""The exporter's daemon as a process that can be stopped, killed and started again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

import httpx

from tests.e2e.gateway import PROGRAM
from tests.peers.process import Peer, until

ACCOUNT = "prod"
"""`bytespike.account.name` of the one account."""

Settings = Mapping[str, object]
"""Nested, as in `config.yaml`."""


class Polled(Protocol):
    """A gateway: its base URL, and the key to ask it with."""

    @property
    def url(self) -> str: ...

    @property
    def key(self) -> str: ...


class Daemon(Peer):
    """One exporter that polls `gateway`, and sends to the OTLP endpoint in `settings`.

    It is in a hurry: polls every 500 ms and exports as often, unless `settings` say otherwise.
    """

    url: str
    """Base URL of its status page and `/metrics`."""

    def __init__(self, folder: Path, gateway: Polled, settings: Settings) -> None:
        super().__init__(folder)
        self._gateway = gateway
        self._settings = settings
        self._life = 1
        self._earlier = ""

    def command(self) -> Sequence[str | Path]:
        (self.folder / "key").write_text(self._gateway.key, encoding="utf-8")
        config = self.folder / "config.yaml"
        config.write_text(json.dumps(self._config()), encoding="utf-8")  # JSON is YAML
        return [*PROGRAM, "run", "--config", config]

    def _config(self) -> dict[str, object]:
        hurried: dict[str, object] = {
            "gateway": {
                "base_url": self._gateway.url,
                "timeout": "5s",
                "max_requests_per_minute": 6000,
            },
            "accounts": [{"name": ACCOUNT, "api_key_file": str(self.folder / "key")}],
            "poll": {"account": "500ms", "usage": "500ms", "transactions": "500ms"},
            "runway": {"window": "1m"},
            "otlp": {"endpoint": "", "interval": "500ms", "timeout": "5s"},
            "state": {"path": str(self.folder / "state.db")},
            "http": {"listen": "127.0.0.1:0"},
        }
        for name, value in self._settings.items():
            before = hurried.get(name)
            both = isinstance(before, dict) and isinstance(value, Mapping)
            hurried[name] = {**before, **value} if both else value  # type: ignore[dict-item]
        return hurried

    def started(self) -> None:
        pattern = rf"(?s){self._heading()}.*status page at (http://[^/\s]+)/"
        self.url = self.logged(pattern)

    def kill(self) -> None:
        """SIGKILL: it ends in the middle of whatever it does."""
        self._process.kill()
        self._process.wait()

    def start(self) -> None:
        """Start again after `stop` or `kill`."""
        self._earlier = self.output()
        self._life += 1
        self.__enter__()

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def settle(self, **changes: object) -> None:
        """What `config.yaml` says from the next start on."""
        self._settings = {**self._settings, **changes}

    def wait_until_ready(self) -> None:
        """Wait until every endpoint of the gateway has answered it once."""
        until(lambda: self._get("/readyz").is_success, "readiness")

    def metrics(self) -> str:
        """`/metrics`, as Prometheus text."""
        return self._get("/metrics").raise_for_status().text

    def _get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=30, trust_env=False)

    def state(self, query: str) -> list[tuple[object, ...]]:
        """What the state file says, while the daemon does not run."""
        with closing(sqlite3.connect(self.folder / "state.db")) as db:
            return db.execute(query).fetchall()

    def output(self) -> str:
        """What it has logged in all its lives."""
        return f"{self._earlier}{self._heading()}\n{super().output()}"

    def _heading(self) -> str:
        return f"--- life {self._life} ---"

"""The exporter that is measured, in a process of its own."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.environment import ROOT, base_environ, runtime_python
from benchmarks.gateway import Gateway
from benchmarks.processes import Child
from exporter.ledger.ledger import Ledger, Rules
from exporter.ledger.store import Store

_CONFIG = """\
gateway: {{base_url: "{url}", max_requests_per_minute: 100000}}
poll: {{account: {poll}, usage: {poll}, transactions: {transactions}}}
usage: {{start: {start}}}
otlp: {{protocol: {protocol}, endpoint: "{endpoint}", interval: {export}}}
state: {{path: "{state}"}}
http: {{listen: "{listen}"}}
log: {{level: warning}}
accounts:
"""


class Subject:
    """One exporter: where its files are, and how it is configured."""

    def __init__(self, directory: Path, gateway: Gateway, endpoint: str) -> None:
        """`directory` is its own; `endpoint` the OTLP receiver's URL."""
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._gateway = gateway
        self._settings = {
            "url": gateway.url,
            "endpoint": endpoint,
            "protocol": "http/protobuf",
            "state": str(directory / "bytespike.db"),
            "start": "now",
            "poll": "60s",
            "transactions": "5m",
            "export": "30s",
            "listen": "127.0.0.1:0",
        }
        self.accounts: Sequence[str] = ("one",)
        self.environ: dict[str, str] = {}

    def set(self, **settings: str) -> None:
        """Change what the configuration says; the names are those in `_CONFIG`."""
        self._settings |= settings

    def counted(self) -> int:
        """How many calls the state file counts. The exporter must have ended."""
        store = Store(Path(self._settings["state"]))
        ledger = Ledger(store, Rules())
        for name in self.accounts:
            ledger.open_accounts([name], 0.0, 0.0)
        totals = ledger.totals().values()
        store.close()
        return sum(total.requests for account in totals for total in account.usage)

    def run(self, *arguments: str, core: int | None = None) -> Child:
        """Start `run`; use the result as a context manager."""
        config = self._directory / "config.yaml"
        accounts = [f"  - {{name: {name}, api_key_env: KEY}}\n" for name in self.accounts]
        config.write_text(_CONFIG.format(**self._settings) + "".join(accounts))
        command = [runtime_python(), "-m", "exporter", "run", "--config", str(config), *arguments]
        environ = base_environ(ROOT) | {"KEY": self._gateway.api_key} | self.environ
        return Child(command, environ, self._directory / "exporter.log", core)


def wait_until(condition: Callable[[], bool], child: Child, seconds: float) -> None:
    """Wait for a condition while the child runs. Raises TimeoutError, RuntimeError."""
    deadline = time.monotonic() + seconds
    while not condition():
        child.check()
        if time.monotonic() > deadline:
            raise TimeoutError("what was waited for did not happen")
        time.sleep(0.05)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

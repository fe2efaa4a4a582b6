"""From a spent wallet to a webhook, on one machine.

::

    gateway → exporters ─ OTLP → vmagent → Prometheus       (path `otlp`) ┐
                       │                 → VictoriaMetrics, vmalert (`vm`) ├ Alertmanager → webhook
                       └ /metrics ← Prometheus             (path `scrape`) ┘
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from tests.alerts.watchers import Forwarder, VmAlert, Watcher, pager, write_rules
from tests.alerts.webhook import Webhook
from tests.e2e.daemon import Daemon
from tests.e2e.gateway import Gateway
from tests.peers.process import Peer, free_port
from tests.peers.promql import PromQl
from tests.peers.victoria_metrics import VictoriaMetrics

SCRAPE, OTLP, VM = PATHS = ("scrape", "otlp", "vm")
"""How the numbers come to whoever evaluates the rules."""

P = TypeVar("P", bound=Peer)


class Wallet:
    """One account at a gateway of its own, and the exporters that watch it."""

    def __init__(self, name: str, gateway: Gateway, exporters: list[Daemon]) -> None:
        self.name = name
        self.gateway = gateway
        self.exporters = exporters

    def spend(self, usd: float) -> None:
        """Charge one call."""
        self.gateway.bill(credits=round(usd * 1_000_000))

    def top_up(self, usd: float) -> None:
        self.gateway.post("topup", usd=usd)

    @property
    def left(self) -> float:
        """What the gateway says is left, in USD."""
        return self.gateway.truth().wallet.available / 1_000_000


class Chain:
    """Everything from wallets to the webhook. Use it with `with`; all ends with the block.

    `wallets`: names, and how many exporters watch each. `scale`: how long the rules' waits are,
    of what they are in earnest. Each wallet starts with `balance` USD.
    """

    def __init__(
        self,
        folder: Path,
        webhook: Webhook,
        wallets: dict[str, int],
        *,
        scale: float,
        balance: float,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._webhook = webhook
        self._wanted = wallets
        self._scale = scale
        self._balance = balance
        self._running: ExitStack
        self.peers: list[Peer] = []
        """Every process, for its log."""
        self.wallets: list[Wallet] = []
        self.stores: dict[str, PromQl] = {}
        """Who has the numbers, by path."""

    def __enter__(self) -> Self:
        with ExitStack() as running:  # ends what has started if the rest does not start
            self._running = running
            rules = write_rules(self._folder, self._scale)
            told = self._start(pager(self._folder / "alertmanager", self._webhook.url)).url
            endpoint = self._otlp(rules, told)
            self.wallets = [self._wallet(*wanted, endpoint) for wanted in self._wanted.items()]
            targets = [f"{d.url}/metrics" for w in self.wallets for d in w.exporters]
            self.stores[SCRAPE] = self._start(
                Watcher(self._folder / SCRAPE, rules, told, SCRAPE, targets)
            )
            self._running = running.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._running.close()

    def _start(self, peer: P) -> P:
        self.peers.append(peer)
        self._running.enter_context(peer)
        return peer

    def _otlp(self, rules: Path, alertmanager: str) -> str:
        """Start what takes OTLP; gives the endpoint."""
        prometheus = self._start(Watcher(self._folder / OTLP, rules, alertmanager, OTLP))
        store = self._start(VictoriaMetrics(self._folder / VM))
        self._start(VmAlert(self._folder / "vmalert", store, rules, alertmanager, VM))
        self.stores |= {OTLP: prometheus, VM: store}
        agent = self._folder / "vmagent"
        write = f"{store.url}/api/v1/write"
        return self._start(Forwarder(agent, prometheus.remote_write, write)).endpoint

    def _wallet(self, name: str, exporters: int, endpoint: str) -> Wallet:
        options = {"caps": False, "balance_usd": self._balance}
        gateway = self._start(Gateway(self._folder / name / "gateway", **options))
        folders = [self._folder / name / f"exporter-{n}" for n in range(exporters)]
        daemons = [Daemon(f, gateway, _settings(f, name, endpoint)) for f in folders]
        return Wallet(name, gateway, [self._start(daemon) for daemon in daemons])


def _settings(folder: Path, account: str, endpoint: str) -> dict[str, object]:
    """Polled and exported every second; on a port that a restart keeps, so that it is scraped."""
    return {
        "accounts": [{"name": account, "api_key_file": str(folder / "key")}],
        "poll": {"account": "1s", "usage": "1s", "transactions": "1s"},
        "runway": {"window": "1m"},
        "otlp": {"endpoint": endpoint, "interval": "1s"},
        "http": {"listen": f"127.0.0.1:{free_port()}"},
    }

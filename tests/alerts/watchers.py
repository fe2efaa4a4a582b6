"""The programs between the exporters and the webhook, set up for a rehearsal.

The rules are the shipped ones with shorter waits, the Alertmanager's configuration is the shipped
sample with shorter waits and our webhook: what is proved is what is shipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.shipped import ALERTMANAGER, RULES
from tests.peers.alertmanager import Alertmanager
from tests.peers.missing import VICTORIA_METRICS, require
from tests.peers.process import Peer
from tests.peers.prometheus import Prometheus
from tests.peers.victoria_metrics import VictoriaMetrics
from tests.peers.vmagent import VmAgent

PATH = "path"
"""A label that each watcher adds, for the way on which the numbers came to it."""

_SECONDS = {"m": 60, "h": 3600}
_RESEND = "--rules.alert.resend-delay="


def write_rules(folder: Path, scale: float) -> Path:
    """The shipped rules, every wait `scale` times as long, as a file."""
    document = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    for group in document["groups"]:
        for rule in group["rules"]:
            for wait in {"for", "keep_firing_for"} & rule.keys():
                seconds = int(rule[wait][:-1]) * _SECONDS[rule[wait][-1]]
                rule[wait] = f"{round(seconds * scale * 1000)}ms"
    path = folder / "rules.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def pager(folder: Path, webhook: str) -> Alertmanager:
    """Alertmanager with the shipped sample configuration, in a hurry; tells `webhook`."""
    config: dict[str, Any] = yaml.safe_load(ALERTMANAGER.read_text(encoding="utf-8"))
    route = config["route"]
    route |= {"group_wait": "1s", "group_interval": "1s"}
    route["group_by"] = [*route["group_by"], PATH]
    for receiver in config["receivers"]:
        receiver["webhook_configs"][0]["url"] = f"{webhook}{receiver['name']}"
    return Alertmanager(folder, config)


class Watcher(Prometheus):
    """Prometheus that evaluates `rules` every second, and says on which `path` it was told."""

    def __init__(
        self,
        folder: Path,
        rules: Path,
        alertmanager: str,
        path: str,
        targets: Iterable[str] = (),
    ) -> None:
        super().__init__(folder, targets, [rules], alertmanager)
        self._path = path

    def command(self) -> Sequence[str | Path]:
        # An alert that is not said again in four times this delay is over for Alertmanager.
        return [
            f"{_RESEND}5s" if str(word).startswith(_RESEND) else word for word in super().command()
        ]

    def _config(self) -> dict[str, object]:
        config: dict[str, Any] = super()._config()
        config["global"]["external_labels"] = {PATH: self._path}
        return config


class Forwarder(VmAgent):
    """vmagent that writes what it takes to two stores."""

    def __init__(self, folder: Path, remote_write: str, second: str) -> None:
        super().__init__(folder, remote_write)
        self._second = second

    def command(self) -> Sequence[str | Path]:
        return [*super().command(), f"-remoteWrite.url={self._second}"]


class VmAlert(Peer):
    """vmalert: evaluates rules every second against a VictoriaMetrics, where it also records."""

    def __init__(
        self, folder: Path, store: VictoriaMetrics, rules: Path, alertmanager: str, path: str
    ) -> None:
        super().__init__(folder)
        self._store = store
        self._rules = rules
        self._alertmanager = alertmanager
        self._path = path

    def command(self) -> Sequence[str | Path]:
        return [
            require(VICTORIA_METRICS.with_name("vmalert")),
            "-httpListenAddr=127.0.0.1:0",
            f"-rule={self._rules}",
            f"-datasource.url={self._store.url}",
            f"-remoteWrite.url={self._store.url}",
            f"-notifier.url={self._alertmanager}",
            f"-external.label={PATH}={self._path}",
            "-evaluationInterval=1s",
            "-remoteWrite.flushInterval=200ms",
            # What was just written is what is asked for.
            "-rule.evalDelay=0s",
            "-rule.resendDelay=5s",
            "-rule.maxResolveDuration=20s",
            "-memory.allowedBytes=100MB",
        ]

    def started(self) -> None:
        self.url = self.logged(r"started server at (http://127\.0\.0\.1:\d+)/")

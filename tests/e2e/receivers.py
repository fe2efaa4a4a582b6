"""Receivers of a particular kind: one that comes back as it was, one that is choosy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tests.otlp.certificates import Certificates
from tests.peers.collector import Collector
from tests.peers.process import free_port
from tests.peers.victoria_metrics import VictoriaMetrics


class LastingVictoriaMetrics(VictoriaMetrics):
    """A VictoriaMetrics that can be started again after `stop`: same port, same store."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._port = free_port()

    def command(self) -> Sequence[str | Path]:
        listen = "-httpListenAddr="
        return [
            f"{listen}127.0.0.1:{self._port}" if str(word).startswith(listen) else word
            for word in super().command()
        ]

    def start(self) -> None:
        self.__enter__()


class ChoosyCollector(Collector):
    """A Collector behind TLS, for clients with a certificate of our authority only."""

    def __init__(self, folder: Path, certificates: Certificates) -> None:
        super().__init__(folder)
        self._certificates = certificates
        self.grpc = self.grpc.replace("http:", "https:")
        self.http = self.http.replace("http:", "https:")

    def _config(self) -> dict[str, object]:
        config = json.loads(json.dumps(super()._config()))
        for protocol in config["receivers"]["otlp"]["protocols"].values():
            protocol["tls"] = {
                "cert_file": str(self._certificates.server),
                "key_file": str(self._certificates.server_key),
                "client_ca_file": str(self._certificates.ca),
            }
        return dict(config)

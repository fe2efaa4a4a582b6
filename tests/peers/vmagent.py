"""vmagent: takes OTLP and passes it on by Prometheus' remote write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.peers.missing import VMAGENT, require
from tests.peers.process import Peer


class VmAgent(Peer):
    """One running vmagent that writes to `remote_write`, a URL."""

    def __init__(self, folder: Path, remote_write: str) -> None:
        super().__init__(folder)
        self._remote_write = remote_write

    def command(self) -> Sequence[str | Path]:
        return [
            require(VMAGENT),
            "-httpListenAddr=127.0.0.1:0",
            f"-remoteWrite.url={self._remote_write}",
            f"-remoteWrite.tmpDataPath={self.folder / 'queue'}",
            "-remoteWrite.flushInterval=200ms",
            "-remoteWrite.forcePromProto",
            # Prometheus refuses what comes out of order, and several queues change the order.
            "-remoteWrite.queues=1",
            "-opentelemetry.usePrometheusNaming",
            "-memory.allowedBytes=200MB",
        ]

    def started(self) -> None:
        self.url = self.logged(r"started server at (http://127\.0\.0\.1:\d+)/")
        self.endpoint = f"{self.url}/opentelemetry/v1/metrics"
        """Where `otlp.endpoint` points."""

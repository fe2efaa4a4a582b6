"""A receiver that comes back as it was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

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

"""Starts what a test needs."""

from __future__ import annotations

import time
from pathlib import Path

from tests.e2e.daemon import Daemon
from tests.e2e.gateway import Gateway
from tests.peers.fixtures import StartPeer
from tests.peers.process import until


class Scene:
    """One gateway and the daemons that poll it, until the test ends."""

    def __init__(self, start_peer: StartPeer, folder: Path) -> None:
        self.start_peer = start_peer
        self.folder = folder

    def gateway(self, **options: float | str | bool) -> Gateway:
        return self.start_peer(Gateway(self.folder / "gateway", **options))

    def daemon(self, gateway: Gateway, endpoint: str, /, **settings: object) -> Daemon:
        """Start a daemon that sends to `endpoint`; it has read everything once.

        `settings` are sections of `config.yaml`, laid over those of a daemon in a hurry.
        """
        daemon = self.starting_daemon(gateway, endpoint, **settings)
        daemon.wait_until_ready()
        # Movements bear whole seconds: those of the second in which counting began are not ours.
        began = int(time.time())
        until(lambda: int(time.time()) > began, "the next second")
        return daemon

    def starting_daemon(self, gateway: Gateway, endpoint: str, /, **settings: object) -> Daemon:
        """As `daemon`, but it has read nothing yet."""
        otlp = settings.pop("otlp", {})
        assert isinstance(otlp, dict)
        settings["otlp"] = {"endpoint": endpoint, **otlp}
        return self.start_peer(Daemon(self.folder / "daemon", gateway, settings))

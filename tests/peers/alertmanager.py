"""Alertmanager, told by Prometheus."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.peers.missing import ALERTMANAGER, PEERS, missing, require
from tests.peers.process import Peer

_TEMPLATES = Path("/usr/share/prometheus/alertmanager/default.tmpl")

# Debian's build reads its templates from /usr/share only. In a mount namespace of its own, the
# unpacked package's /usr/share stands in for the machine's; nothing of the machine changes.
# Root may have one at once, others where they may have a user namespace.
_UNSHARE = (("unshare", "--mount"), ("unshare", "--map-root-user", "--mount"))
_STAND_IN = (
    "sh",
    "-ec",
    'mount --bind "$0" /usr/share; exec "$@"',
    PEERS / "debian" / "usr" / "share",
)


def _wrapper() -> Sequence[str | Path]:
    if _TEMPLATES.exists():
        return ()
    allowed = next((words for words in _UNSHARE if _works([*words, *_STAND_IN, "true"])), None)
    if allowed is None:
        missing("Alertmanager", "it needs a mount namespace, which this machine does not allow")
    return [*allowed, *_STAND_IN]


def _works(command: Sequence[str | Path]) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


class Alertmanager(Peer):
    """One running Alertmanager."""

    def __init__(self, folder: Path, config: Mapping[str, object]) -> None:
        super().__init__(folder)
        self._config = config

    def command(self) -> Sequence[str | Path]:
        binary = require(ALERTMANAGER)
        config = self.folder / "alertmanager.json"
        config.write_text(json.dumps(self._config), encoding="utf-8")  # JSON is YAML
        return [
            *_wrapper(),
            binary,
            f"--config.file={config}",
            f"--storage.path={self.folder / 'store'}",
            "--web.listen-address=127.0.0.1:0",
            "--cluster.listen-address=",
        ]

    def started(self) -> None:
        self.url = "http://" + self.logged(r'msg="Listening on" address=(127\.0\.0\.1:\d+)')

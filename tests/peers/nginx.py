"""Debian's nginx, with a configuration of the test's."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.peers.missing import missing
from tests.peers.process import Peer

_FOLDERS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def _found() -> str:
    # Debian keeps it in sbin, which is not in every PATH.
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    return shutil.which("nginx", path=path) or missing(
        "nginx", "run scripts/install-programs as root"
    )


class Nginx(Peer):
    """One running nginx; `http` is what stands in its http block, which listens at `url`."""

    def __init__(self, folder: Path, http: str, url: str) -> None:
        super().__init__(folder)
        self._http = http
        self.url = url

    def command(self) -> Sequence[str | Path]:
        nginx = _found()
        config = self.folder / "nginx.conf"
        lines = [
            "daemon off;",
            "worker_processes 1;",
            f"pid {self.folder}/nginx.pid;",
            "error_log stderr notice;",
            # As another user it could not read what only the test's may.
            *(["user root;"] if os.geteuid() == 0 else []),
            "events {}",
            "http {",
            *(f"{name}_temp_path {self.folder}/{name};" for name in _FOLDERS),
            "access_log off;",
            self._http,
            "}",
        ]
        config.write_text("\n".join(lines), encoding="utf-8")
        return [nginx, "-e", "stderr", "-p", self.folder, "-c", config]

    def started(self) -> None:
        self.logged(r"(start worker process )")

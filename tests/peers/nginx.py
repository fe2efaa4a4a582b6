"""Debian's nginx as a container would run it, with `deploy/tap/main.conf` and `nginx.conf`."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.peers.missing import missing
from tests.peers.process import Peer, free_port, until

SHIPPED = Path(__file__).resolve().parents[2] / "deploy" / "tap"


def nginx_program() -> str:
    """Where nginx is. Debian keeps it in sbin, which is not in every PATH."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    return shutil.which("nginx", path=path) or missing(
        "nginx", "run scripts/install-programs as root"
    )


def changed(text: str, changes: Mapping[str, str]) -> str:
    """The text with each shipped word replaced. All of them must stand in it."""
    for shipped, here in changes.items():
        assert shipped in text, shipped
        text = text.replace(shipped, here)
    return text


class Nginx(Peer):
    """One running nginx, changed only in where things are and in what `changes` says."""

    def __init__(
        self, folder: Path, tap: str, gateway: str, changes: Mapping[str, str], more: str = ""
    ) -> None:
        """`tap`, `gateway`: HOST:PORT. `more` is added to the http block."""
        super().__init__(folder)
        self._changes = {
            "127.0.0.1:8789": tap,
            "llm.bytespike.ai:443": gateway,
            "127.0.0.1:8788": f"127.0.0.1:{(port := free_port())}",
        }
        self._changes |= changes
        self._more = more
        self.url = f"http://127.0.0.1:{port}"

    def command(self) -> Sequence[str | Path]:
        main = (
            (SHIPPED / "main.conf").read_text(encoding="utf-8").replace("/tmp/", f"{self.folder}/")
        )
        if os.geteuid() == 0:  # as another user it could not read what only the test's may
            main += "user root;\n"
        (self.folder / "main.conf").write_text(main, encoding="utf-8")
        text = changed((SHIPPED / "nginx.conf").read_text(encoding="utf-8"), self._changes)
        (self.folder / "nginx.conf").write_text(text + self._more, encoding="utf-8")
        return [nginx_program(), "-e", "stderr", "-p", self.folder, "-c", self.folder / "main.conf"]

    def started(self) -> None:
        self.logged(r"(start worker process )")

    def reload(self) -> None:
        """Have new workers; the old ones end with what they are doing."""
        before = self.output().count("start worker process ")
        self._process.send_signal(signal.SIGHUP)
        until(lambda: self.output().count("start worker process ") > before, "a reload")

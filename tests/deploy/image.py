"""The image, built once for all tests, and its root file system run as a container would run it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from scripts.image.report import buildah, mounted
from tests.peers.missing import missing
from tests.peers.process import Peer

ROOT = Path(__file__).resolve().parents[2]
NAME = "bytespike-exporter:test"
UID = 65532


def build(name: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What scripts/image/build says, under further variables."""
    return subprocess.run(
        [ROOT / "scripts" / "image" / "build", name],
        env=os.environ | environment,
        capture_output=True,
        check=False,
        text=True,
        timeout=900,
    )


class Image(NamedTuple):
    """A built image: its configuration, and where its root is mounted."""

    config: dict[str, Any]
    root: Path


@contextmanager
def built() -> Iterator[Image]:
    """The image of the sources as they are, at once where `make image` has built it already."""
    for tool in ("buildah", "debootstrap"):
        if shutil.which(tool) is None:
            missing(tool, "run scripts/install-programs as root")
    if os.geteuid() != 0:
        missing("image", "only root can build one here and start it")
    done = build(NAME)
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(buildah("inspect", "--type", "image", NAME))
    with mounted(NAME) as root:
        yield Image(found["OCIv1"]["config"], root)


_RUN = """
set -eu
root=$1 state=$2 config=$3
shift 3
mount --bind "$root" "$root"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t proc proc "$root/proc"
mount --bind "$config" "$root/etc/bytespike"
mount --bind "$state" "$root/var/lib/bytespike"
mount -o remount,bind,ro "$root/etc/bytespike"
mount -o remount,bind,ro "$root"
exec /usr/bin/setpriv --no-new-privs /usr/sbin/chroot --userspec=65532:65532 --groups= "$root" "$@"
"""


class Container(Peer):
    """The image's own command as its own user on a read-only root, in a mount namespace.

    `folder/config` is /etc/bytespike, `folder/state` is /var/lib/bytespike. `arguments` stand in
    for the image's own.
    """

    def __init__(self, folder: Path, image: Image, arguments: Sequence[str] | None = None) -> None:
        super().__init__(folder)
        self._image = image
        self._arguments = arguments
        (folder / "config").mkdir()
        (folder / "state").mkdir()
        os.chown(folder / "state", UID, UID)

    def command(self) -> Sequence[str | Path]:
        config = self._image.config
        arguments = config["Cmd"] if self._arguments is None else self._arguments
        words = [*config["Entrypoint"], *arguments]
        folders = (self._image.root, self.folder / "state", self.folder / "config")
        # The image has no env(1), so its variables are set outside.
        return [
            *("unshare", "--mount", "--", "env", "-i", *config["Env"]),
            *("/bin/sh", "-c", _RUN, "sh", *folders, *words),
        ]

    def started(self) -> None:
        """Wait for nothing: what a test starts differs."""

    def ended(self, seconds: float = 30.0) -> int:
        """The exit code, once it has ended by itself."""
        return self._process.wait(seconds)

    def end(self) -> int:
        """The exit code after SIGTERM; raises TimeoutExpired after 15 s."""
        self._process.terminate()
        return self._process.wait(15)

    @property
    def status(self) -> str:
        """What the kernel says of the process: its users, its privileges."""
        return Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8")

"""The images that scripts/image/build keeps, and their root file systems."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STORAGE = Path(__file__).resolve().parents[2] / ".cache" / "image"


def buildah(*words: str) -> str:
    """What buildah answers. Raises subprocess.CalledProcessError."""
    folders = ("--root", str(STORAGE / "root"), "--runroot", str(STORAGE / "run"))
    done = subprocess.run(
        ["buildah", *folders, "--storage-driver", "vfs", *words],
        capture_output=True,
        check=True,
        text=True,
        timeout=120,
    )
    return done.stdout.strip()


@contextmanager
def mounted(name: str) -> Iterator[Path]:
    """The root of an image, as long as the context lasts. The image itself does not change."""
    policy = ("--signature-policy", str(STORAGE / "policy.json"))
    container = buildah("from", *policy, "--pull-never", name)
    try:
        yield Path(buildah("mount", container))
    finally:
        buildah("rm", container)

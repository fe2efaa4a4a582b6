"""What an image is made of: `python -m scripts.image.report NAME:TAG` prints a table."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STORAGE = Path(__file__).resolve().parents[2] / ".cache" / "image"
"""Where scripts/image/build keeps images."""

_PACKAGES = "opt/bytespike/"


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


def part(path: str) -> str:
    """The part of the image to which a file belongs."""
    if path.startswith(_PACKAGES):
        package = path.removeprefix(_PACKAGES).partition("/")[0]
        ours = package.startswith(("exporter", "bytespike_"))
        return "the exporter" if ours else f"package {package}"
    if "/python3." in f"/{path}":
        return "Python and its standard library"
    return "shared libraries" if ".so" in path else "other files"


def rows(root: Path) -> list[tuple[str, int]]:
    """Parts and their bytes, largest first; what is under a megabyte is one row.

    A link counts nothing.
    """
    sizes: Counter[str] = Counter()
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            sizes[part(path.relative_to(root).as_posix())] += path.stat().st_size
    large = [(name, size) for name, size in sizes.most_common() if size >= 1_000_000]
    rest = sizes.total() - sum(size for _, size in large)
    return [*large, ("everything else", rest), ("all", sizes.total())]


if __name__ == "__main__":
    with mounted(sys.argv[1]) as found:
        print("| part | MB |\n| --- | --: |")
        for name, size in rows(found):
            print(f"| {name} | {size / 1e6:.1f} |")

"""What an image is made of: `python -m scripts.image.report NAME:TAG` prints a table."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from scripts.image.storage import mounted

_PACKAGES = "opt/bytespike/"


def part(path: str) -> str:
    """The part of the image to which a file belongs."""
    if path.startswith(_PACKAGES):
        package = path.removeprefix(_PACKAGES).partition("/")[0]
        ours = package.startswith(("exporter", "bytespike_"))
        return "the exporter" if ours else f"package {package}"
    if "/python3." in f"/{path}":
        return "Python and its standard library"
    return "shared libraries" if ".so" in path else "other files"


def sizes(root: Path) -> Counter[str]:
    """Bytes of each part; a link counts nothing."""
    found: Counter[str] = Counter()
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            found[part(path.relative_to(root).as_posix())] += path.stat().st_size
    return found


def rows(root: Path) -> list[tuple[str, int]]:
    """Parts and their bytes, largest first; what is under a megabyte is one row."""
    found = sizes(root)
    large = [(name, size) for name, size in found.most_common() if size >= 1_000_000]
    rest = sum(found.values()) - sum(size for _, size in large)
    return [*large, ("everything else", rest), ("all", sum(found.values()))]


def table(root: Path) -> str:
    """The same as a Markdown table."""
    lines = [f"| {name} | {size / 1e6:.1f} |" for name, size in rows(root)]
    return "\n".join(["| part | MB |", "| --- | --: |", *lines]) + "\n"


if __name__ == "__main__":
    with mounted(sys.argv[1]) as found:
        sys.stdout.write(table(found))

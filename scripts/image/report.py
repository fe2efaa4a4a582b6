"""What an image is made of: `python -m scripts.image.report ROOT` prints a table of its root."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

_PACKAGES = "opt/bytespike/"


def part(path: str) -> str:
    """The part of the image to which a file belongs."""
    if path.startswith(_PACKAGES):
        package = path.removeprefix(_PACKAGES).partition("/")[0]
        return "the exporter" if package.startswith("exporter") else f"package {package}"
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


def table(root: Path, least: int = 500_000) -> str:
    """A Markdown table, largest first; parts under `least` bytes are one line."""
    found = sizes(root)
    large = [(name, size) for name, size in found.most_common() if size >= least]
    rest = sum(found.values()) - sum(size for _, size in large)
    rows = [*large, ("everything else", rest), ("**all**", sum(found.values()))]
    lines = [f"| {name} | {size / 1e6:.1f} |" for name, size in rows]
    return "\n".join(["| part | MB |", "| --- | --: |", *lines]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table(Path(sys.argv[1])))

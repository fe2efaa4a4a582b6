"""The size of the code and its circles of imports, now and at an earlier revision."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

import msgspec

from benchmarks.report import Row
from scripts.sizes import BUDGETS, lines_of, sources

CODE = ("exporter", "bytespike_simulator", "tests", "scripts", "benchmarks")
PACKAGES = ("exporter", "bytespike_simulator")
"""What may have no circle of imports."""

_FIND_CIRCLES = """
import json, sys
import grimp

graph = grimp.build_graph(*sys.argv[1:], cache_dir=None)
circles = set()
for importer in graph.modules:
    for imported in graph.find_modules_directly_imported_by(importer):
        back = graph.find_shortest_chain(importer=imported, imported=importer)
        if back:
            circles.add(tuple(sorted(back)))
print(json.dumps(sorted(circles)))
"""


class Size(msgspec.Struct, frozen=True):
    """Lines and files; of `scripts` also those that are not Python, without locks."""

    lines: int
    files: int


class Numbers(msgspec.Struct, frozen=True):
    """One tree: sizes by folder, in the order to show, and the modules of each circle."""

    sizes: dict[str, Size]
    circles: list[list[str]]


def numbers(root: Path) -> Numbers:
    """Of the checkout at `root`."""
    sizes: dict[str, Size] = {}
    for folder in filter(Path.is_dir, (root / name for name in CODE)):
        sizes[folder.name] = _size(sources(folder))
        if folder.name == "exporter":
            sizes["exporter/*.py"] = _size(folder.glob("*.py"))
            for inner in sorted(filter(Path.is_dir, folder.iterdir())):
                size = _size(inner.rglob("*.py"))
                if size.files:
                    sizes[f"exporter/{inner.name}"] = size
    return Numbers(sizes, circles(root))


def circles(root: Path) -> list[list[str]]:
    """The modules of every circle of imports, those for types alone included."""
    packages = [name for name in PACKAGES if (root / name).is_dir()]
    command = [sys.executable, "-c", _FIND_CIRCLES, *packages]
    done = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    found: list[list[str]] = json.loads(done.stdout)
    return found


def measure(root: Path, since: str | None) -> list[Row]:
    """The numbers of the checkout beside their limits and, where one is named, a revision's."""
    now = numbers(root)
    before = _at(root, since) if since else None
    rows = [_lines(folder, now, before, since) for folder in _folders(now, before)]
    known = f" ({len(before.circles)} at {since})" if before is not None else ""
    shown = "; ".join(" ↔ ".join(circle) for circle in now.circles)
    found = f"{len(now.circles)}{known}"
    rows.append(Row("circles of imports", "none", found, not now.circles, shown))
    return rows


def _folders(now: Numbers, before: Numbers | None) -> list[str]:
    """Those of today, then those that are gone."""
    gone = before.sizes.keys() - now.sizes.keys() if before is not None else ()
    return [*now.sizes, *sorted(gone)]


def _lines(folder: str, now: Numbers, before: Numbers | None, since: str | None) -> Row:
    size = now.sizes.get(folder, Size(0, 0))
    most = BUDGETS.get(folder)
    shown = f"{size.lines:,} in {size.files} files"
    if before is not None:
        earlier = before.sizes.get(folder, Size(0, 0))
        shown += f" ({earlier.lines:,} in {earlier.files} at {since})"
    budget = f"≤ {most:,}" if most else "–"
    return Row(f"lines of {folder}", budget, shown, size.lines <= most if most else None)


def _at(root: Path, revision: str) -> Numbers:
    command = ["git", "archive", revision]
    archive = subprocess.run(command, cwd=root, check=True, capture_output=True).stdout
    with tempfile.TemporaryDirectory(prefix="bytespike-numbers-") as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(folder, filter="data")
        return numbers(Path(folder))


def _size(files: Iterable[Path]) -> Size:
    found = list(files)
    return Size(lines_of(found), len(found))

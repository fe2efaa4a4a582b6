"""Holds the project to its budgets of size: `python -m scripts.sizes`.

What grows past them gets harder to pick up; whoever needs more raises a budget here and says why.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

FILE_LINES = 300
FUNCTION_LINES = 40
"""From `def` to the last line of its body, docstring and inner functions included."""

CLOSELY = ("exporter", "bytespike_simulator")
"""Where the two above hold, and no name of a file stands twice."""

BUDGETS = {
    "exporter": 20038,
    "bytespike_simulator": 2847,
    "tests": 33383,
    "scripts": 3_700,
}
"""Lines of text in all; of scripts also those that are not Python, without locks."""

_NOT_OURS = (".pyc", ".mod", ".sum", "-lock.json")


def sources(folder: Path) -> list[Path]:
    """The files below a folder whose lines are counted."""
    files = folder.rglob("*" if folder.name == "scripts" else "*.py")
    return [file for file in files if file.is_file() and not file.name.endswith(_NOT_OURS)]


def lines_of(files: Iterable[Path]) -> int:
    return sum(len(file.read_bytes().splitlines()) for file in files)


def too_long(source: str, name: str) -> Iterator[str]:
    """One line for each thing in a module's source that is longer than allowed."""
    lines = len(source.splitlines())
    if lines > FILE_LINES:
        yield f"{name}: {lines} lines; a file has at most {FILE_LINES}"
    for node in ast.walk(ast.parse(source, name)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                yield (
                    f"{name}:{node.lineno}: {node.name} has {length} lines; "
                    f"a function has at most {FUNCTION_LINES}"
                )


def twice(files: list[Path]) -> Iterator[str]:
    """One line for each name that several files have."""
    named = defaultdict(list)
    for file in files:
        named[file.name].append(str(file))
    for name, found in named.items():
        if len(found) > 1 and not name.startswith("__"):
            yield f"{' and '.join(found)} have one name"


def problems(root: Path) -> Iterator[str]:
    """Everything in a checkout that is larger than allowed."""
    for folder, budget in BUDGETS.items():
        lines = lines_of(sources(root / folder))
        if lines > budget:
            yield f"{folder}: {lines:,} lines; the budget is {budget:,}"
    for folder in CLOSELY:
        files = sorted((root / folder).rglob("*.py"))
        for file in files:
            yield from too_long(file.read_text(encoding="utf-8"), str(file.relative_to(root)))
        yield from twice([file.relative_to(root) for file in files])


def main(root: Path) -> int:
    """Print what is too large; 1 if anything is."""
    found = list(problems(root))
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parent.parent))

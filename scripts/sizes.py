"""Finds files and functions that have grown too long to read: `python -m scripts.sizes FOLDER…`."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

FILE_LINES = 300
FUNCTION_LINES = 40
"""From `def` to the last line of its body, docstring and inner functions included."""


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


def main(folders: list[str]) -> int:
    """Print what is too long below the folders; 1 if anything is, or if there is no source."""
    files = sorted(file for folder in folders for file in Path(folder).rglob("*.py"))
    found = [
        line for file in files for line in too_long(file.read_text(encoding="utf-8"), str(file))
    ]
    if not files:
        found.append("sizes: no Python files there")
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

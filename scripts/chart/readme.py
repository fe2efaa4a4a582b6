"""The charts' README files.

The table comes from the comments of values.yaml that begin with `--`; every value must have one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

CHARTS = Path(__file__).resolve().parents[2] / "deploy" / "helm"
_KEY = re.compile(r"^( *)([A-Za-z][A-Za-z0-9_]*):")
_COMMENT = re.compile(r"^ *# ?(.*)$")


class Row(NamedTuple):
    """One value: its dotted path, its default as JSON, and what it means."""

    path: str
    default: str
    about: str


class ReadmeError(Exception):
    """A value has no comment."""


def _described(text: str) -> Iterator[tuple[str, str]]:
    """Each dotted path of values.yaml with the comment above it, "" where there is none."""
    places: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in text.splitlines():
        if found := _COMMENT.match(line):
            begins = found[1].startswith("-- ")
            if begins or comment:
                comment.append(found[1].removeprefix("-- "))
        elif key := _KEY.match(line):
            depth = len(key[1])
            places = [place for place in places if place[0] < depth] + [(depth, key[2])]
            yield ".".join(name for _, name in places), " ".join(comment)
            comment = []
        elif not line.strip():
            comment = []


def _value(values: object, path: str) -> object:
    for name in path.split("."):
        assert isinstance(values, dict)
        values = values[name]
    return values


def rows(text: str) -> list[Row]:
    """The table of a values.yaml. Raises ReadmeError."""
    values = yaml.safe_load(text)
    found: list[Row] = []
    for path, about in _described(text):
        if any(path.startswith(f"{row.path}.") for row in found):
            continue  # a part of a value that is described as one
        value = _value(values, path)
        if about:
            found.append(Row(path, json.dumps(value, ensure_ascii=False), about))
        elif not isinstance(value, dict) or not value:
            raise ReadmeError(f"{path} has no comment that begins with --")
    return found


def readme(chart: str) -> str:
    """The text of a chart's README.md: README.head.md, and the table. Raises ReadmeError."""
    folder = CHARTS / chart
    head = (folder / "README.head.md").read_text(encoding="utf-8")
    table = rows((folder / "values.yaml").read_text(encoding="utf-8"))
    lines = ["| value | default | meaning |", "| --- | --- | --- |"]
    lines += [f"| `{row.path}` | `{row.default}` | {row.about} |" for row in table]
    return head + "\n## Values\n\n" + "\n".join(lines) + "\n"

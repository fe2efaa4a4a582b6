"""Rows of what a command found, as a table for people, or as JSON or CSV for programs.

A column whose name ends in `_usd` holds nano-USD, one that ends in `_at` Unix seconds.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from exporter.money import to_usd, usd_text
from exporter.secrets import printable

Value = str | int | float | None
Row = Mapping[str, Value]

FORMATS = ("table", "json", "csv")


def when(instant: float) -> str:
    """An instant (Unix s) as the gateway writes it, to the second."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def as_json(parts: Mapping[str, Value | Sequence[Row]]) -> str:
    """One object: parts that are rows as lists of objects, others as they are."""
    answer: dict[str, object] = {}
    for name, part in parts.items():
        if isinstance(part, str | int | float) or part is None:
            answer[name] = printable(part) if isinstance(part, str) else part
        else:
            answer[name] = [{key: _plain(key, row[key]) for key in row} for row in part]
    return json.dumps(answer, indent=2, ensure_ascii=False)


def as_csv(rows: Sequence[Row], columns: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_shown(name, row.get(name)) for name in columns] for row in rows)
    return text.getvalue().rstrip("\n")


def as_table(rows: Sequence[Row], columns: Sequence[str]) -> Iterator[str]:
    """The lines of a table, amounts to the right."""
    heads = [name.removesuffix("_usd").removesuffix("_at").replace("_", " ") for name in columns]
    lines = [heads, *([_shown(name, row.get(name)) for name in columns] for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    for line in lines:
        cells = [
            cell.rjust(width) if name.endswith("_usd") else cell.ljust(width)
            for name, cell, width in zip(columns, line, widths, strict=True)
        ]
        yield "  ".join(cells).rstrip()


def _plain(name: str, value: Value) -> Value:
    if isinstance(value, str):
        return printable(value)
    if name.endswith("_usd") and isinstance(value, int):
        return to_usd(value)
    return when(value) if name.endswith("_at") and value is not None else value


def _shown(name: str, value: Value) -> str:
    if name.endswith("_usd") and isinstance(value, int):
        return usd_text(value)
    plain = _plain(name, value)
    return "" if plain is None else str(plain)

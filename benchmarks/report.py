"""What was measured, as a table for the terminal and a page for `docs/`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

import msgspec

_HEADER = ("what", "budget", "measured", "within?")
_VERDICTS = {True: "yes", False: "**no**", None: "–"}

_INTRODUCTION = """\
# Benchmarks

Written by `{command}` on {date}; what stands here was measured in that run, on this machine:

{machine}

{table}

{notes}
"""


class Row(msgspec.Struct, frozen=True):
    """One measured thing. `within` is None where there is no budget: for information.

    `note` says how it was measured, in a sentence or two.
    """

    what: str
    budget: str
    measured: str
    within: bool | None = None
    note: str = ""


def table(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table whose columns are aligned."""
    cells = [_HEADER, *((r.what, r.budget, r.measured, _VERDICTS[r.within]) for r in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADER))]
    lines = [_line(line, widths) for line in cells]
    lines.insert(1, _line(tuple("-" * width for width in widths), widths))
    return "\n".join(lines)


def document(rows: Sequence[Row], machine: str, date: str, command: str) -> str:
    """The page: the machine, the table, and how each row was measured."""
    notes = "\n".join(f"- *{row.what}*: {row.note}" for row in rows if row.note)
    return _INTRODUCTION.format(
        command=command, date=date, machine=machine, table=table(rows), notes=notes
    ).replace("\n\n\n", "\n\n")


def spread(values: Sequence[float], unit: str, digits: int = 2) -> str:
    """The median with its unit, and between which values it lies."""
    middle, low, high = (f"{v:.{digits}f}" for v in (median(values), min(values), max(values)))
    return f"{middle} {unit} ({low} to {high})"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return f"| {' | '.join(padded)} |"

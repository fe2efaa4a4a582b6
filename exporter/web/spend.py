"""What was counted of one account: spend by key and by model."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from exporter.metrics import catalogue as c
from exporter.web.figures import Subject
from exporter.web.formats import count

SHOWN = 8
"""Rows of a spend table; what is cheaper is summed up in one more."""


class SpendRow(msgspec.Struct):
    """One key or model, or several. `cost` in USD."""

    name: str
    key_id: str | None = None
    cost: float = 0.0
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def add(self, other: SpendRow) -> None:
        """Count what the other one spent here too."""
        self.cost += other.cost
        self.requests += other.requests
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens


class Spend(msgspec.Struct, frozen=True):
    """What the ledger has counted: the dearest keys and models, and in a last row the rest."""

    total: SpendRow
    keys: list[SpendRow]
    models: list[SpendRow]


def spend(subject: Subject) -> Spend | None:
    """Totals and tables; None while nothing has been counted."""
    points = subject.points
    costs, calls = points.of(c.USAGE_COST), points.of(c.USAGE_REQUESTS)
    if not costs:
        return None
    total = SpendRow("Total")
    keys: dict[tuple[str, str], SpendRow] = {}
    models: dict[str, SpendRow] = {}
    tokens: dict[tuple[str | None, ...], int] = {}
    answered: dict[tuple[str | None, ...], int] = {}
    for (*series, kind), number in points.of(c.USAGE_TOKENS).items():
        side = answered if kind == "output" else tokens
        side[tuple(series)] = side.get(tuple(series), 0) + int(number)
    for series_of, cost in costs.items():
        key_id, key_name, model = (part or "" for part in series_of)
        part = SpendRow(
            key_name,
            None if key_name == key_id else key_id,
            cost,
            int(calls.get(series_of, 0)),
            tokens.get(series_of, 0),
            answered.get(series_of, 0),
        )
        total.add(part)
        keys.setdefault((key_name, key_id), SpendRow(key_name, part.key_id)).add(part)
        models.setdefault(model, SpendRow(model)).add(part)
    return Spend(total, _dearest(keys.values()), _dearest(models.values()))


def _dearest(rows: Iterable[SpendRow]) -> list[SpendRow]:
    ranked = sorted(rows, key=lambda row: -row.cost)
    shown, hidden = ranked[:SHOWN], ranked[SHOWN:]
    if hidden:
        rest = SpendRow(f"{count(len(hidden))} more")
        for row in hidden:
            rest.add(row)
        shown.append(rest)
    return shown

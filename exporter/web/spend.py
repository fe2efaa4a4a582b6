"""What was counted of one account: spend by key and by model, and traffic."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from exporter.metrics import catalogue as c
from exporter.web.figures import Bar, Subject
from exporter.web.formats import count, percent

SHOWN = 8
"""Rows of a spend table; what is cheaper is summed up in one more."""


class SpendRow(msgspec.Struct):
    """One key or model, or several. `cost` in USD, `share` of the account's whole spend."""

    name: str
    key_id: str | None = None
    cost: float = 0.0
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    share: float = 0.0

    @property
    def bar(self) -> Bar:
        """The share as a bar."""
        return Bar(max(0.0, min(1.0, self.share)), f"{percent(self.share)} of the spend")

    def add(self, other: SpendRow) -> None:
        """Count what the other one spent here too."""
        self.cost += other.cost
        self.requests += other.requests
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.share += other.share


class SpendTable(msgspec.Struct, frozen=True):
    """The most expensive keys or models, and last what is left of them in one row."""

    title: str
    rows: tuple[SpendRow, ...]


class Spend(msgspec.Struct, frozen=True):
    """What the ledger has counted."""

    total: SpendRow
    tables: tuple[SpendTable, ...]


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
    whole = sum(costs.values())
    for series_of, cost in costs.items():
        key_id, key_name, model = (part or "" for part in series_of)
        part = SpendRow(
            key_name,
            None if key_name == key_id else key_id,
            cost,
            int(calls.get(series_of, 0)),
            tokens.get(series_of, 0),
            answered.get(series_of, 0),
            cost / whole if whole > 0 else 0.0,
        )
        total.add(part)
        keys.setdefault((key_name, key_id), SpendRow(key_name, part.key_id)).add(part)
        models.setdefault(model, SpendRow(model)).add(part)
    tables = (_table("Key", keys.values()), _table("Model", models.values()))
    return Spend(total, tables)


def _table(title: str, rows: Iterable[SpendRow]) -> SpendTable:
    ranked = sorted(rows, key=lambda row: -row.cost)
    shown, hidden = ranked[:SHOWN], ranked[SHOWN:]
    if hidden:
        rest = SpendRow(f"{count(len(hidden))} more")
        for row in hidden:
            rest.add(row)
        shown.append(rest)
    return SpendTable(title, tuple(shown))


class TrafficRow(msgspec.Struct, frozen=True):
    """What the tap saw of one key; `seen` has the Unix time of each source, the newest first."""

    key_id: str
    seen: list[tuple[str, float]]
    responses: int
    refused: int


def traffic(subject: Subject) -> list[TrafficRow]:
    """Every key that the tap has seen, the one seen last first."""
    rows: dict[str, dict[str, float]] = {}
    for (key_id, source), at in subject.points.of(c.TAP_LAST).items():
        rows.setdefault(key_id or "", {})[source or ""] = at
    found: list[TrafficRow] = []
    for key_id, sources in sorted(rows.items(), key=lambda row: -max(row[1].values())):
        seen = sorted(sources.items(), key=lambda item: -item[1])
        counts = (
            int(sum(n for of, n in subject.points.of(metric).items() if of[0] == key_id))
            for metric in (c.TAP_RESPONSES, c.TAP_REFUSALS)
        )
        found.append(TrafficRow(key_id, seen, *counts))
    return found

"""The tables of an account: its caps and windows, and what was counted by key and by model."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from exporter.live import KeyReadings
from exporter.metrics import catalogue as c
from exporter.money import to_usd
from exporter.web.figures import Bar, Figure, Subject, Tone
from exporter.web.formats import ahead, count, money, percent

SHOWN = 8
"""Rows of a spend table; what is cheaper is summed up in one more."""


class Limit(msgspec.Struct, frozen=True):
    """One cap or window: whose, what is left or used of it, and further words."""

    name: str
    figure: Figure
    note: str = ""
    bar: Bar | None = None
    which: str = ""


def key_limits(subject: Subject) -> list[Limit]:
    """The spend window and the lifetime cap of every key."""
    rows: list[Limit] = []
    for key_id, key in subject.live.keys.items():
        if key.remaining is not None or key.limit is not None:
            rows.append(_window(subject, key_id, key))
        cap = subject.of_envelope(c.KEY_REMAINING, key.key_quota_remaining, key_id)
        if cap is not None:
            rows.append(Limit(key_id, cap, "left", which="lifetime cap"))
    return rows


def _window(subject: Subject, key_id: str, key: KeyReadings) -> Limit:
    which = "spend window"
    figure = subject.of_envelope(c.RATE_REMAINING, key.remaining, key_id) or Figure(why="not said")
    notes = [f"left of {money(to_usd(int(key.limit.value)))}"] if key.limit else ["left"]
    if key.reset_at is not None:
        if figure.age is not None and key.reset_at.value <= subject.now:
            return Limit(key_id, Figure(why="it has reset since it was read"), which=which)
        notes.append(f"resets {ahead(key.reset_at.value, subject.now)}")
    left = subject.points.value(c.RATE_REMAINING, key_id)
    cap = subject.points.value(c.RATE_LIMIT, key_id)
    bar = None
    if left is not None and cap is not None and cap > 0:
        nearly = left < subject.nearly_used_up(key_id)
        tone = Tone.BAD if left <= 0 else Tone.WARN if nearly else Tone.OK
        bar = Bar(left / cap, f"{percent(left / cap)} of the spend window left", tone)
    return Limit(key_id, figure, ", ".join(notes), bar, which)


def model_limits(subject: Subject) -> list[Limit]:
    """Every model's quota: those closest to their caps first, then by what was used."""
    reading = subject.live.account
    quotas = {quota.model: quota for quota in reversed(reading.models)} if reading else {}
    shares = {model: s for (model,), s in subject.points.of(c.QUOTA_UTILIZATION).items() if model}
    least = subject.thresholds.model_quota_utilization_ratio
    rows: list[Limit] = []
    for quota in sorted(
        quotas.values(), key=lambda quota: (-shares.get(quota.model, -1.0), -(quota.used or 0))
    ):
        share, bar = shares.get(quota.model), None
        if share is not None:
            tone = Tone.BAD if share >= 1 else Tone.WARN if share > least else Tone.OK
            bar = Bar(share, f"{percent(share)} of the cap used", tone)
        note = "used, no cap" if quota.cap is None else f"used of {money(to_usd(quota.cap))}"
        figure = subject.of_reading(c.QUOTA_USAGE, quota.used, quota.model)
        rows.append(Limit(quota.model, figure, note, bar))
    return rows


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
    sides = {"input": tokens, "output": answered}
    for (*series, kind), number in points.of(c.USAGE_TOKENS).items():
        side = sides.get(kind or "", {})
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

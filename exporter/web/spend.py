"""What the ledger has counted of one account: by key, by model, in all."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from exporter.ledger.totals import AccountTotals, BillingTotal, UsageTotal
from exporter.web.model import MovementRow, Spend, SpendRow, SpendTable
from exporter.web.words import ago, count, instant, money

SHOWN = 8
"""Rows of a spend table; what is cheaper is summed up in one more."""


class _Sum:
    """A running sum of usage series."""

    __slots__ = ("cost", "input_tokens", "output_tokens", "requests")

    def __init__(self) -> None:
        self.cost = self.requests = self.input_tokens = self.output_tokens = 0

    def add(self, series: UsageTotal | _Sum) -> None:
        self.cost += series.cost
        self.requests += series.requests
        self.input_tokens += series.input_tokens
        self.output_tokens += series.output_tokens

    def row(self, name: str, key_id: str | None, whole: int) -> SpendRow:
        share = self.cost / whole if whole > 0 else 0.0
        return SpendRow(
            name, key_id, self.cost, self.requests, self.input_tokens, self.output_tokens, share
        )


Named = tuple[str, str | None]
"""What a row is called, and the masked key where that is something else."""


def spend(totals: AccountTotals) -> Spend | None:
    """Totals and tables; None while nothing has been counted."""
    if not totals.usage:
        return None
    whole = _total(totals.usage)
    return Spend(
        total=whole.row("Total", None, whole.cost),
        since=instant(totals.counted_from),
        tables=(
            _table("Key", totals.usage, _key, whole.cost),
            _table("Model", totals.usage, lambda series: (series.model, None), whole.cost),
        ),
    )


def _key(series: UsageTotal) -> Named:
    return (series.key_name, None if series.key_name == series.key_id else series.key_id)


def _total(parts: Iterable[UsageTotal | _Sum]) -> _Sum:
    whole = _Sum()
    for part in parts:
        whole.add(part)
    return whole


def _table(
    title: str, usage: Iterable[UsageTotal], by: Callable[[UsageTotal], Named], whole: int
) -> SpendTable:
    sums: dict[Named, _Sum] = {}
    for series in usage:
        sums.setdefault(by(series), _Sum()).add(series)
    ranked = sorted(sums.items(), key=lambda item: -item[1].cost)
    rows = tuple(part.row(*named, whole) for named, part in ranked[:SHOWN])
    hidden = [part for _, part in ranked[SHOWN:]]
    rest = _total(hidden).row(f"{count(len(hidden))} more", None, whole) if hidden else None
    return SpendTable(title, rows, len(hidden), rest)


def movements(totals: AccountTotals, now: float) -> tuple[MovementRow, ...]:
    """Wallet movements that were not API calls, largest first."""
    last = dict(totals.last_transactions)
    ranked = sorted(totals.billing, key=lambda total: -total.amount)
    return tuple(_movement(total, last.get(total.kind), now) for total in ranked)


def _movement(total: BillingTotal, last: float | None, now: float) -> MovementRow:
    sign = "−" if total.direction == "debit" and total.amount else ""
    when = "unknown" if last is None else ago(last, now)
    return MovementRow(total.kind, count(total.count), sign + money(total.amount), when)

"""Usage as a rollup: sums by hour or day, model and key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from tests.second_gateway.gateway.asked import (
    DAY,
    Range,
    page_of,
    range_of,
    refuse_unknown,
    size_of,
)
from tests.second_gateway.gateway.books import Books, Call, Key
from tests.second_gateway.gateway.spelling import BadRequestError, key_name, number, utc
from tests.second_gateway.gateway.switches import Switches

DIMENSIONS = {"day", "hour", "model", "api_key"}
KNOWN = {"since", "until", "group_by", "model", "api_key"}
Cell = tuple[float | None, str | None, int | None]


@dataclass(slots=True)
class Sum:
    usd: Decimal = Decimal(0)
    input_tokens: int = 0
    output_tokens: int = 0
    calls: int = 0

    def add(self, call: Call, factor: Decimal) -> None:
        self.usd += call.usd * factor
        self.input_tokens += call.input_tokens
        self.output_tokens += call.output_tokens
        self.calls += 1


@dataclass(frozen=True, slots=True)
class Grouping:
    """What buckets are told apart by. `step` is their length in time, if time is one of it."""

    step: float | None
    model: bool
    key: bool

    def cell(self, call: Call) -> Cell:
        start = None if self.step is None else call.at // self.step * self.step
        return start, call.model if self.model else None, call.key if self.key else None


def rollup_answer(
    books: Books, key: Key, query: Mapping[str, str], switches: Switches, *, now: float, turn: int
) -> dict[str, object]:
    paged = switches.rollup_pages or switches.rollup_size == "obeyed"
    sizes = {*switches.size_names, "page"} if paged else set()
    refuse_unknown(query, KNOWN | sizes, switches)
    grouping = _grouping(query, switches)
    asked = _widened(range_of(query, switches, now), grouping, switches)
    calls = [] if switches.empty else _matching(books, key, query, switches, asked)
    shown, every = Sum(), Sum()
    cells: dict[Cell, Sum] = {}
    for call in calls:
        every.add(call, switches.factor)
        if call.model in switches.hidden or books.keys[call.key].name in switches.hidden:
            continue
        shown.add(call, switches.factor)
        cells.setdefault(grouping.cell(call), Sum()).add(call, switches.factor)
    buckets = [
        _bucket(books, cell, cells[cell], grouping, switches, turn)
        for cell in sorted(cells, key=_order)
    ]
    answer: dict[str, object] = {"buckets": _cut(buckets, query, switches)}
    if switches.rollup_pages:
        answer |= {"page": page_of(query, switches) + switches.first_page, "total": len(buckets)}
    if switches.totals != "absent":
        answer["totals"] = _totals(shown if switches.hidden_in_totals else every, switches)
    return answer


def _order(cell: Cell) -> tuple[float, str, int]:
    return cell[0] or 0.0, cell[1] or "", cell[2] or 0


def _grouping(query: Mapping[str, str], switches: Switches) -> Grouping:
    names = set(query.get("group_by", "day").split(","))
    if not names <= DIMENSIONS:
        raise BadRequestError("unknown group_by")
    step: float | None
    if "hour" in names:
        step = 3600.0 if switches.knows_hours else DAY
    else:
        step = DAY if "day" in names else None
    return Grouping(step, "model" in names, "api_key" in names)


def _widened(asked: Range, grouping: Grouping, switches: Switches) -> Range:
    """Where a `since` inside a bucket does not cut it, that bucket is whole."""
    if switches.cuts_first_bucket or grouping.step is None:
        return asked
    return Range(asked.since // grouping.step * grouping.step, asked.until, asked.bounded)


def _matching(
    books: Books, key: Key, query: Mapping[str, str], switches: Switches, asked: Range
) -> list[Call]:
    def wanted(call: Call) -> bool:
        its = books.keys[call.key]
        names = (str(its.id), its.masked, its.listed)
        mine = call.key == key.id if switches.bucket_key == "absent" else call.user == key.user.id
        return (
            mine
            and not call.failed
            and query.get("model", call.model) in (call.model, switches.renamed.get(call.model))
            and query.get("api_key", its.masked) in names
        )

    return [one for one in books.between(asked.since, asked.until) if wanted(one)]


def _cut(
    buckets: list[dict[str, object]], query: Mapping[str, str], switches: Switches
) -> list[dict[str, object]]:
    """As many as this gateway answers at once."""
    if switches.rollup_pages:
        size = size_of(query, switches)
        if switches.most_buckets is not None:
            size = min(size, switches.most_buckets)
        first = page_of(query, switches) * size
        return buckets[first : first + size]
    if switches.rollup_size == "obeyed" and any(name in query for name in switches.size_names):
        buckets = buckets[: size_of(query, switches)]
    return buckets[: switches.most_buckets]


def _bucket(
    books: Books, cell: Cell, its: Sum, grouping: Grouping, switches: Switches, turn: int
) -> dict[str, object]:
    start, model, key = cell
    bucket: dict[str, object] = {}
    if start is not None:
        bucket["bucket"] = _start(start, grouping, switches)
    if model is not None:
        bucket["model"] = switches.renamed.get(model, model)
    if key is not None:
        named = key_name(books.keys[key], switches.bucket_key, turn)
        if named is not None:
            bucket["api_key"] = named
    if start is None and grouping.model != grouping.key:
        bucket = {"bucket": next(iter(bucket.values()), None)}
    return bucket | {
        "total_usd": number(its.usd, cents=switches.cents),
        "input_tokens": its.input_tokens,
        "output_tokens": its.output_tokens,
        "call_count": its.calls,
    }


def _start(start: float, grouping: Grouping, switches: Switches) -> str:
    moment = utc(start)
    if grouping.step == DAY:
        midnight = switches.day_buckets == "midnight"
        return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if midnight else f"{moment:%Y-%m-%d}"
    match switches.hour_buckets:
        case "full":
            return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
        case "no_seconds":
            return f"{moment:%Y-%m-%dT%H:%MZ}"
        case "no_zone":
            return f"{moment:%Y-%m-%dT%H:%M:%S}"


def _totals(its: Sum, switches: Switches) -> dict[str, object]:
    if switches.totals == "zero":
        its = Sum(its.usd)
    total = number(its.usd, cents=switches.totals == "cents" or switches.cents)
    if switches.totals == "noisy":
        total += total * 3e-16 + 4e-15  # what adding binary floats one after another leaves
    return {
        "total_usd": total,
        "input_tokens": its.input_tokens,
        "output_tokens": its.output_tokens,
        "call_count": its.calls,
    }

"""Buckets of the rollup (contract §3b), and whether an answer holds all of them.

Each bucket is read by itself and leniently: one that cannot be read costs only itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from exporter.gateway import dialects as d
from exporter.gateway.fields import (
    UNKNOWN_MODEL,
    charge,
    count,
    instant,
    is_day,
    key_ref,
    money,
    number,
    text,
)
from exporter.gateway.jsontext import Json
from exporter.gateway.listing import paged, read_each
from exporter.gateway.paging import PageFacts
from exporter.gateway.readings import KeyRef, Rejected, UsageBucket
from exporter.money import NANOS_PER_USD

HOUR: Final = 3600
DAY: Final = 24 * HOUR
_DAY_BUCKET: Final = "a bucket of a day, where hours were asked for"
_LEAST: Final = NANOS_PER_USD // 1_000_000
_MOST_DECIMALS: Final = 9
_COUNTS: Final = (d.INPUT_TOKENS, d.OUTPUT_TOKENS, d.CALLS)


class Sums(NamedTuple):
    """Cost in nano-USD, input and output tokens, calls."""

    cost: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    calls: int = 0

    def plus(self, other: Sums) -> Sums:
        return Sums(*(a + b for a, b in zip(self, other, strict=True)))

    def lack(self, other: Sums, room: int) -> bool:
        """Whether these are less than the `other` ones; of the cost by more than `room`."""
        less = any(a < b for a, b in zip(self[1:], other[1:], strict=True))
        return less or other.cost - self.cost >= max(room, _LEAST)


class RollupAnswer(msgspec.Struct, frozen=True):
    """One answer, unfiltered, and what it says about paging and its totals.

    What is not said in `totals` is 0. `decimals`: how many stand in its costs, at the most.
    """

    buckets: tuple[UsageBucket, ...]
    rejected: tuple[Rejected, ...]
    facts: PageFacts
    totals: Sums
    days: bool
    decimals: int

    @property
    def is_paged(self) -> bool:
        facts = self.facts
        return facts.cursor is not None or facts.number is not None or facts.more is True

    @property
    def is_cut(self) -> bool:
        """Whether the buckets add up to less than the totals (contract §3b).

        A bucket that could not be read leaves that open.
        """
        return not self.rejected and sums_of(self.buckets).lack(self.totals, self.room)

    @property
    def room(self) -> int:
        """What rounding may have taken from the costs of the buckets, in nano-USD."""
        return len(self.buckets) * _half(self.decimals)


def sums_of(buckets: Iterable[UsageBucket]) -> Sums:
    found = Sums()
    for one in buckets:
        found = found.plus(Sums(one.cost, one.input_tokens, one.output_tokens, one.calls))
    return found


def _half(decimals: int) -> int:
    """Half of the last decimal, in nano-USD."""
    return int(5 * NANOS_PER_USD // 10 ** (min(decimals, _MOST_DECIMALS) + 1))


def read_rollup(
    answer: dict[str, Json], entries: list[Json], own: KeyRef, model: str | None
) -> RollupAnswer:
    """Buckets that name no key belong to `own`; those that name no model, to `model`.

    Two buckets of one hour, model and key are two keys whose masked forms collide: both are
    handed on and both count.
    """
    dated = [
        isinstance(one, dict) and isinstance(at := one.get("bucket"), str) and is_day(at)
        for one in entries
    ]
    days = bool(dated) and all(dated)
    buckets, bad = read_each(entries, lambda entry: _bucket(entry, own, model, days), ("bucket",))
    ids = [f"{one.hour} {one.model} {one.key}" for one in buckets] + [row.row_id for row in bad]
    listing = paged(answer, entries)
    return RollupAnswer(
        buckets,
        bad,
        listing.facts(ids, []),
        _totals(answer.get("totals")),
        days,
        max((_decimals(one) for one in entries), default=0),
    )


class ModelSums(NamedTuple):
    """What each model's buckets add up to, and whether models are missing."""

    by_model: dict[str, tuple[Sums, int]]
    is_cut: bool


def read_models(entries: list[Json], totals: Json) -> ModelSums:
    """An answer that was grouped by model alone: then `bucket` is the model's id."""
    found: dict[str, tuple[Sums, int]] = {}
    for entry in entries:
        if isinstance(entry, dict) and (model := text(entry.get("model") or entry.get("bucket"))):
            found[model] = _totals(entry), _half(_decimals(entry))
    sums, room = Sums(), 0
    for its, half in found.values():
        sums, room = sums.plus(its), room + half
    return ModelSums(found, sums.lack(_totals(totals), room))


def _totals(value: Json) -> Sums:
    row = value if isinstance(value, dict) else {}
    cost = money(d.first(row, d.BUCKET_USD))
    # Rounded to cents, a total may be half a cent too high.
    cost = max(0, cost - _half(max(2, _decimals(row)))) if cost else 0
    tokens = (count(d.first(row, names)) or 0 for names in _COUNTS)
    return Sums(cost, *tokens)


def _decimals(entry: Json) -> int:
    """How many decimals the cost of a bucket shows."""
    cost = number(d.first(entry, d.BUCKET_USD)) if isinstance(entry, dict) else None
    if not isinstance(cost, Decimal):
        return 0
    exponent = cost.as_tuple().exponent
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0


def _bucket(row: dict[str, Json], own: KeyRef, model: str | None, days: bool) -> UsageBucket:
    """One hour of one model and key (contract §3b)."""
    begin = row.get("bucket")
    if isinstance(begin, str) and is_day(begin):
        if not days:
            raise ValueError(_DAY_BUCKET)
        begin = f"{begin.strip()}T00"
    hour = instant(begin)
    if hour is None or hour % HOUR:
        raise ValueError("bucket is not the beginning of an hour")
    cost = charge(d.first(row, d.BUCKET_USD))
    if cost is None:
        raise ValueError("total_usd is missing, negative or absurd")
    return UsageBucket(
        int(hour),
        text(row.get("model")) or model or UNKNOWN_MODEL,
        key_ref(row, own),
        cost,
        whole("input_tokens", d.first(row, d.INPUT_TOKENS)),
        whole("output_tokens", d.first(row, d.OUTPUT_TOKENS)),
        whole("call_count", d.first(row, d.CALLS)),
    )


def whole(name: str, value: Json) -> int:
    found = count(value)
    if found is None:
        raise ValueError(f"{name} is missing or not a whole number")
    return found

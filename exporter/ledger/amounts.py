"""What one cell, series or row adds up to, and the arithmetic of corrections. Pure.

A cell is one hour of one key and model: the common ground of the log and the rollup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

K = TypeVar("K")
T = TypeVar("T")

MOST = 2**62
"""What all series of an account may show together, of each amount, so that sums fit 64 bits.

Of cost these are 4.6e9 USD. A gateway that tells more is mistaken.
"""

LARGEST = 10**15
"""No amount of one row or bucket is larger: see `MAX_CHARGE_USD` and `MAX_COUNT`."""


class Amounts(NamedTuple):
    """Cost in nano-USD, tokens by type, requests. May be negative as a difference."""

    cost: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    requests: int = 0
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0

    def plus(self, other: Amounts) -> Amounts:
        return Amounts(
            self[0] + other[0],
            self[1] + other[1],
            self[2] + other[2],
            self[3] + other[3],
            self[4] + other[4],
            self[5] + other[5],
        )

    def minus(self, other: Amounts) -> Amounts:
        return Amounts(
            self[0] - other[0],
            self[1] - other[1],
            self[2] - other[2],
            self[3] - other[3],
            self[4] - other[4],
            self[5] - other[5],
        )

    def highest(self, other: Amounts) -> Amounts:
        return Amounts(*map(max, self, other))

    def lowest(self, other: Amounts) -> Amounts:
        return Amounts(*map(min, self, other))


ZERO = Amounts()


def total(amounts: Iterable[Amounts]) -> Amounts:
    found = ZERO
    for one in amounts:
        found = found.plus(one)
    return found


def fitting(
    items: Sequence[T], room: Amounts, amounts_of: Callable[[T], Amounts]
) -> tuple[Sequence[T], Sequence[T]]:
    """Those that fit into `room` together, and those that must be left out, in their order."""
    if len(items) * LARGEST <= min(room):
        return items, ()
    good: list[T] = []
    bad: list[T] = []
    for item in items:
        left = room.minus(amounts_of(item))
        if min(left) < 0:
            bad.append(item)
        else:
            good.append(item)
            room = left
    return good, bad


def reconcile(counted: Mapping[K, Amounts], read: Mapping[K, Amounts]) -> dict[K, Amounts]:
    """What the cells of one hour count after the hour was read anew in the other shape.

    The two shapes may name keys differently, or fold two keys into one masked form. So what a
    cell seems to have lost first pays for what others seem to have gained; only what the hour as
    a whole gained or lost is counted, and no part of the hour is counted twice.
    """
    cells = {**counted, **read}
    if not cells:
        return {}
    columns = [
        _settle([(counted.get(c, ZERO)[i], read.get(c, ZERO)[i]) for c in cells])
        for i in range(len(ZERO))
    ]
    return {
        cell: Amounts(*values)
        for cell, values in zip(cells, zip(*columns, strict=True), strict=True)
    }


def _settle(pairs: list[tuple[int, int]]) -> list[int]:
    """New values for (counted, read) pairs whose sum moves by the net difference only."""
    net = sum(read - counted for counted, read in pairs)
    values = []
    for counted, read in pairs:
        step = read - counted
        step = max(0, min(step, net)) if net >= 0 else min(0, max(step, net))
        values.append(counted + step)
        net -= step
    return values

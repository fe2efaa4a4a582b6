"""The chain of balances: a third account of the wallet, beside usage and lifetime spend.

Each movement says what the wallet held right after it (contract §4). Between two of them the
balance moves by the movements and by what calls cost; where it moves by something else, the chain
breaks. Money in nano-USD, instants in Unix seconds.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

import msgspec

from exporter.gateway.readings import Stage, Transaction

UNDER_WAY = 600.0
"""A call may be charged so many seconds after the time that its row bears."""

_CENT = 10_000_000
_MICRO = 1_000


class Break(msgspec.Struct, frozen=True):
    """After the movement `item` the wallet holds less than is explained.

    `missing`: by so much, and below zero where it holds more. Movements, and usage since the
    movement before, are what explains it.
    """

    item: Transaction
    missing: int


class Spent:
    """What usage cost in spans of equal length; which part of a span is not known."""

    def __init__(self, costs: Mapping[int, int], width: float) -> None:
        self._begins = sorted(costs)
        self._sums = [0, *accumulate(costs[begin] for begin in self._begins)]
        self._width = width

    def at_least(self, since: float, until: float) -> int:
        first = bisect_left(self._begins, since)
        last = bisect_right(self._begins, until - self._width)
        return max(0, self._sums[max(first, last)] - self._sums[first])

    def at_most(self, since: float, until: float) -> int:
        first = bisect_right(self._begins, since - self._width)
        last = bisect_left(self._begins, until)
        return self._sums[max(first, last)] - self._sums[first]


def links(items: Sequence[Transaction]) -> list[Transaction]:
    """The good movements with a balance, oldest first; `items` come newest first."""
    good = [item for item in reversed(items) if item.stage is Stage.GOOD]
    good.sort(key=lambda item: item.created_at)
    return [item for item in good if item.balance_after is not None]


def breaks(items: Sequence[Transaction], spent: Spent) -> Iterator[Break]:
    """Where the chain breaks for good; `items` are all movements, newest first.

    What was billed late comes back into the chain later, and is no break.
    """
    chain = links(items)
    room = _CENT if all((item.balance_after or 0) % _CENT == 0 for item in chain) else _MICRO
    anchor = 0
    for place in range(1, len(chain)):
        missing = _missing(chain, anchor, place, spent, room)
        later = range(place + 1, len(chain))
        if missing and all(_missing(chain, anchor, one, spent, room) for one in later):
            yield Break(chain[place], missing)
            anchor = place


def _missing(chain: Sequence[Transaction], anchor: int, place: int, spent: Spent, room: int) -> int:
    """What the balance has less (or, below 0, more) at `place` than is explained; 0 if nothing."""
    first, last = chain[anchor], chain[place]
    moved = sum(item.amount for item in chain[anchor + 1 : place + 1])
    gone = (first.balance_after or 0) + moved - (last.balance_after or 0)
    since, until = first.created_at, last.created_at
    most = spent.at_most(since - UNDER_WAY, until + 1) + room
    least = spent.at_least(since + 1, until - UNDER_WAY) - room
    return gone - most if gone > most else gone - least if gone < least else 0

"""When calls arrive and what they are: day rhythm and sizes.

Calls are drawn from a table of a few thousand that is made once, so that a million rows of
history take seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random

from bytespike_simulator.models import Model
from bytespike_simulator.rollup import Sums

TABLE_BITS = 12
SLOT = 60
"""Seconds of one slot of history, inside which calls arrive evenly."""

_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Call:
    """One possible call. `hold` is what the gateway reserves for it, `seconds` its duration."""

    key: int
    model: int
    sums: Sums
    hold: int
    seconds: float


def rhythm(now: float) -> float:
    """Traffic at `now` (Unix s) as a multiple of the mean: quiet nights, a peak at 14:00 UTC."""
    return 1.0 + 0.6 * math.cos(2 * math.pi * (now / _DAY - 14 / 24))


class Traffic:
    """Draws calls and their times."""

    def __init__(self, rng: Random, keys: int, models: Sequence[Model]) -> None:
        self._rng = rng
        self._keys = keys
        self._models = list(models)

    @cached_property
    def table(self) -> list[Call]:
        """The calls to draw from, made when the first is drawn: a quiet world needs none."""
        size = 1 << TABLE_BITS
        models = self._models
        pairs = [(key, model) for key in range(self._keys) for model in range(len(models))]
        weights = [
            (0.1 if models[model].video else 1.0) / (key + 1) / (model + 1) for key, model in pairs
        ]
        drawn = self._rng.choices(pairs, weights, k=size)
        # Every pair once, so that a world of many series has all of them.
        cover = pairs[: size // 2]
        drawn[: len(cover)] = cover
        return [self._call(key, model, models[model]) for key, model in drawn]

    def _call(self, key: int, index: int, model: Model) -> Call:
        if model.video:
            clips = self._rng.choice((1, 1, 1, 2))
            seconds = 60 * self._rng.lognormvariate(math.log(20), 1.0)
            return Call(key, index, Sums(350_000 * clips, 0, 0, 1), 700_000, seconds)
        prompt = 1 + int(model.prompt * self._rng.lognormvariate(0, 0.8))
        completion = int(model.completion * self._rng.lognormvariate(0, 0.7))
        worst = prompt, 4 * completion + 64
        sums = Sums(model.cost(prompt, completion), prompt, completion, 1)
        return Call(key, index, sums, model.cost(*worst), 0.3 + completion / 60)

    def draw(self) -> Call:
        """One call."""
        return self.table[self._rng.getrandbits(TABLE_BITS)]

    def draw_many(self, count: int) -> list[int]:
        """Places in the table of `count` calls."""
        size = len(self.table)
        return [value % size for value in memoryview(self._rng.randbytes(4 * count)).cast("I")]

    def wait(self, now: float, per_second: float) -> float:
        """Seconds from `now` until the next call at a mean of `per_second` calls."""
        return self._rng.expovariate(per_second * rhythm(now))

    def slots(self, since: float, until: float, rows: int) -> list[tuple[float, int]]:
        """How many of `rows` calls each full minute that meets [since, until) has."""
        first = int(since) // SLOT * SLOT
        starts = [first + SLOT * n for n in range(math.ceil((until - first) / SLOT))]
        weights = [rhythm(start) for start in starts]
        scale = rows / (sum(weights) or 1.0)
        counts = []
        done, wanted = 0, 0.0
        for weight in weights:
            wanted += weight * scale
            counts.append(round(wanted) - done)
            done += counts[-1]
        return list(zip(starts, counts, strict=True))

    def times(self, start: float, end: float, count: int) -> list[int]:
        """`count` instants in [start, end), sorted, in Unix ms."""
        first = math.ceil(start * 1000)
        width = max(1, math.ceil(end * 1000) - first)
        uniform = self._rng.random
        return sorted([first + int(uniform() * width) for _ in range(count)])

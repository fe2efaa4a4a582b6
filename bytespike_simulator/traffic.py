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
from bytespike_simulator.rows import Row, Sums

_TABLE = 4096
_DAY = 86_400.0
_PEAK = 1.6


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One possible call. `hold` is what the gateway reserves for it, `seconds` its duration."""

    key: int
    model: int
    sums: Sums
    hold: int
    seconds: float

    def row(self, created: int, serial: int) -> Row:
        """The row of the log, created at an instant (Unix ms)."""
        sums = self.sums
        return Row(
            created, serial, self.key, self.model, sums.prompt, sums.completion, sums.credits
        )


def rhythm(now: float) -> float:
    """Traffic at `now` (Unix s) as a multiple of the mean: quiet nights, a peak at 14:00 UTC."""
    return 1.0 + (_PEAK - 1.0) * math.cos(2 * math.pi * (now / _DAY - 14 / 24))


class Traffic:
    def __init__(self, rng: Random, keys: int, models: Sequence[Model]) -> None:
        self._rng = rng
        self._keys = keys
        self._models = list(models)

    @cached_property
    def table(self) -> list[Call]:
        """The calls to draw from, made when the first is drawn: a quiet world needs none."""
        models = self._models
        pairs = [(key, model) for key in range(self._keys) for model in range(len(models))]
        weights = [
            (0.1 if models[model].video else 1.0) / (key + 1) / (model + 1) for key, model in pairs
        ]
        drawn = self._rng.choices(pairs, weights, k=_TABLE)
        # Every pair once, so that a world of many series has all of them.
        cover = pairs[: _TABLE // 2]
        drawn[: len(cover)] = cover
        return [self._call(key, model, models[model]) for key, model in drawn]

    def _call(self, key: int, index: int, model: Model) -> Call:
        if model.video:
            clips = self._rng.choice((1, 1, 1, 2))
            seconds = 60 * self._rng.lognormvariate(math.log(20), 1.0)
            return Call(key, index, Sums(350_000 * clips, 0, 0, 1), 700_000, seconds)
        prompt = 1 + int(model.prompt * self._rng.lognormvariate(0, 0.8))
        completion = int(model.completion * self._rng.lognormvariate(0, 0.7))
        sums = Sums(model.cost(prompt, completion), prompt, completion, 1)
        worst = model.cost(prompt, 4 * completion + 64)
        return Call(key, index, sums, worst, 0.3 + completion / 60)

    def draw(self, count: int = 1) -> list[Call]:
        return self._rng.choices(self.table, k=count)

    def instants(self, since: float, until: float, count: int) -> list[int]:
        """`count` instants in [since, until) that follow the day's rhythm: sorted, in Unix ms."""
        found: list[int] = []
        while len(found) < count:
            at = self._rng.uniform(since, until)
            if self._rng.uniform(0, _PEAK) < rhythm(at):
                found.append(int(at * 1000))
        return sorted(found)

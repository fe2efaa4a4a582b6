"""Growth that looks like a mistake of the gateway waits for a second reading. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable

_LEAST = 1_000_000_000
"""Nano-USD: 1 USD. Less is believed at once."""

_TIMES = 10


def doubtful(growth: int, lifetime: int, usual: Callable[[], int]) -> bool:
    """Whether so much growth at once cannot be believed yet; all in nano-USD.

    `lifetime` is the growth of lifetime spend meanwhile: more than ten times that is doubtful.
    Where it has not moved it is no witness; then more than ten times what is `usual` is doubtful,
    unless nothing is known of that either.
    """
    if growth <= _LEAST:
        return False
    measure = lifetime if lifetime > 0 else usual()
    return measure > 0 and growth > _TIMES * measure


class ReadAgainError(Exception):
    """Nothing of what was read is counted before another poll has read it again."""


class DoubtedError(ReadAgainError):
    """So much growth (nano-USD) at once waits for a second reading."""

    def __init__(self, growth: int) -> None:
        super().__init__()
        self.growth = growth


class Doubts:
    """Growth that waits for a second reading of the same kind."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, int] = {}

    def judge(
        self, kind: Hashable, growth: int, lifetime: int, usual: Callable[[], int], *, ended: bool
    ) -> None:
        """Raise DoubtedError unless the growth is believed; amounts as in `doubtful`.

        `ended`: the reading ends here, so that what it did not tell again was a mistake.
        """
        waiting = self._waiting.get(kind)
        confirmed = waiting is not None and 2 * growth >= waiting
        if doubtful(growth, lifetime, usual) and not confirmed:
            self._waiting[kind] = growth
            raise DoubtedError(growth)
        if ended:
            self._waiting.pop(kind, None)

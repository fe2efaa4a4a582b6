"""Says what happened once, not a thousand times."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Hashable

from exporter.clock import Clock

EVERY = 600.0
"""Seconds between two lines about the same trouble."""

_REMEMBERED = 10_000


class _Trouble:
    """When a line was last written about it, and how often it happened unsaid since."""

    __slots__ = ("said_at", "times", "unsaid")

    def __init__(self, said_at: float) -> None:
        self.said_at = said_at
        self.times = 0
        self.unsaid = 0


class Throttle:
    """Writes the first line about a trouble, then at most one every `every` seconds.

    The later lines say how many were left out, and `over` says that it has ended. Troubles are
    told apart by a key, for instance `("prod", "usage", Outcome.TIMEOUT)`. The ten thousand most
    recent ones are remembered, so that keys made from row ids do not fill the memory.
    """

    def __init__(self, logger: logging.Logger, clock: Clock, every: float = EVERY) -> None:
        self._logger = logger
        self._clock = clock
        self._every = every
        self._troubles: OrderedDict[Hashable, _Trouble] = OrderedDict()

    def say(self, key: Hashable, message: str, *args: object, level: int = logging.WARNING) -> None:
        """The trouble `key` happened (again)."""
        now = self._clock.monotonic()
        trouble = self._troubles.get(key)
        if trouble is None:
            trouble = self._troubles[key] = _Trouble(now)
            self._forget_oldest()
        elif now - trouble.said_at < self._every:
            trouble.times += 1
            trouble.unsaid += 1
            self._troubles.move_to_end(key)
            return
        self._troubles.move_to_end(key)
        if trouble.unsaid:
            message = f"{message} (and %d times since the last such line)"
            args = (*args, trouble.unsaid)
        trouble.times += 1
        trouble.unsaid = 0
        trouble.said_at = now
        self._logger.log(level, message, *args)

    def once(
        self, key: Hashable, message: str, *args: object, level: int = logging.WARNING
    ) -> None:
        """Write the line unless one was written under `key` already, however long ago."""
        if key in self._troubles:
            self._troubles.move_to_end(key)
            return
        self._troubles[key] = _Trouble(self._clock.monotonic())
        self._forget_oldest()
        self._logger.log(level, message, *args)

    def over(self, key: Hashable, message: str, *args: object, level: int = logging.INFO) -> bool:
        """The trouble has ended; writes a line if there was any. Returns whether there was."""
        trouble = self._troubles.pop(key, None)
        if trouble is None:
            return False
        if trouble.times > 1:
            message = f"{message} (after %d times)"
            args = (*args, trouble.times)
        self._logger.log(level, message, *args)
        return True

    def forget(self, key: Hashable) -> None:
        """The trouble has ended, and another line says so."""
        self._troubles.pop(key, None)

    def _forget_oldest(self) -> None:
        while len(self._troubles) > _REMEMBERED:
            self._troubles.popitem(last=False)

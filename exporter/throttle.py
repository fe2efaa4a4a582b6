"""Repeated log lines: a problem is told once, then now and then, and so is its end."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from exporter.clock import Clock

EVERY = 600.0
"""Seconds between two lines about the same problem."""

_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Crowd:
    """Lines that may come by the thousand: `most` of them are warnings in `EVERY` seconds.

    The others are for debugging only, and `further` (with `args`) says once that there are some.
    """

    key: Hashable
    most: int
    further: str
    args: tuple[object, ...] = ()


@dataclass(slots=True)
class _Problem:
    """When a line was last written about it, how loud, and how often it happened."""

    said_at: float
    level: int
    times: int = 1
    unsaid: int = 0


class Throttle:
    """Writes the first line about a problem, then at most one in `EVERY` seconds.

    The later lines say how many were left out, and `over` says that it has ended. Problems are
    told apart by a key, for instance `("prod", "usage", Outcome.TIMEOUT)`. The ten thousand most
    recent ones are remembered, so that keys made from row ids do not fill the memory.
    """

    def __init__(self, logger: logging.Logger, clock: Clock) -> None:
        self._logger = logger
        self._clock = clock
        self._problems: OrderedDict[Hashable, _Problem] = OrderedDict()
        self._crowds: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def say(
        self,
        key: Hashable,
        message: str,
        *args: object,
        level: int = logging.WARNING,
        crowd: Crowd | None = None,
    ) -> None:
        """The problem `key` happened (again). As one of a `crowd` it is told as that allows."""
        now = self._clock.monotonic()
        problem = self._problems.get(key)
        if problem is None:
            self._first(key, self._level_in(crowd) if crowd is not None else level, message, *args)
            return
        self._problems.move_to_end(key)
        problem.times += 1
        if now - problem.said_at < EVERY:
            problem.unsaid += 1
            return
        if problem.unsaid:
            message = f"{message} (and %d times since the last such line)"
            args = (*args, problem.unsaid)
        problem.unsaid = 0
        problem.said_at = now
        self._logger.log(problem.level, message, *args)

    def once(
        self,
        key: Hashable,
        message: str,
        *args: object,
        level: int = logging.WARNING,
        crowd: Crowd | None = None,
    ) -> None:
        """Write the line unless one was written under `key` already, however long ago."""
        if key in self._problems:
            self._problems.move_to_end(key)
        else:
            self._first(key, self._level_in(crowd) if crowd is not None else level, message, *args)

    def one_of(self, crowd: Crowd, message: str, *args: object) -> None:
        """Write one line of a crowd; it happens once, so that nothing is remembered of it."""
        self._logger.log(self._level_in(crowd), message, *args)

    def over(self, key: Hashable, message: str, *args: object, level: int = logging.INFO) -> bool:
        """The problem has ended; writes a line if there was any. Returns whether there was."""
        problem = self._problems.pop(key, None)
        if problem is None:
            return False
        if problem.times > 1:
            message = f"{message} (after %d times)"
            args = (*args, problem.times)
        self._logger.log(level, message, *args)
        return True

    def all_over(self, keys: Iterable[Hashable], message: str, *args: object) -> None:
        """These problems have ended: one line, for debugging where none of them was a warning."""
        ended = [self._problems.pop(key, None) for key in keys]
        levels = [problem.level for problem in ended if problem is not None]
        if levels:
            told = max(levels) > logging.DEBUG
            self._logger.log(logging.INFO if told else logging.DEBUG, message, *args)

    def _first(self, key: Hashable, level: int, message: str, *args: object) -> None:
        self._problems[key] = _Problem(self._clock.monotonic(), level)
        while len(self._problems) > _REMEMBERED:
            self._problems.popitem(last=False)
        self._logger.log(level, message, *args)

    def _level_in(self, crowd: Crowd) -> int:
        """How loud one more line of the crowd is."""
        now = self._clock.monotonic()
        since, lines = self._crowds.pop(crowd.key, (now, 0))
        if now - since >= EVERY:
            since, lines = now, 0
        self._crowds[crowd.key] = (since, lines + 1)
        while len(self._crowds) > _REMEMBERED:
            self._crowds.popitem(last=False)
        if lines == crowd.most:
            self._logger.warning(crowd.further, *crowd.args)
        return logging.WARNING if lines < crowd.most else logging.DEBUG

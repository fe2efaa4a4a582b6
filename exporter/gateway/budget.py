"""The request budget: how many requests an account may make in any 60 seconds."""

from __future__ import annotations

from collections import deque
from typing import Final

from exporter.clock import Clock

WINDOW: Final = 60.0
"""Seconds over which requests are counted."""

_SHORTEST_WAIT: Final = 0.001


class RequestBudget:
    """An exact sliding window: never more than `limit` requests in any 60 s, retries included."""

    def __init__(self, limit: int, clock: Clock) -> None:
        self._clock = clock
        self._limit = limit
        self._taken: deque[float] = deque()

    async def take(self) -> None:
        """Return when one more request is allowed, and count it."""
        while True:
            now = self._clock.monotonic()
            while self._taken and now - self._taken[0] >= WINDOW:
                self._taken.popleft()
            if len(self._taken) < self._limit:
                self._taken.append(now)
                return
            # A clock may wake a little early; a zero wait would then spin.
            await self._clock.sleep(max(self._taken[0] + WINDOW - now, _SHORTEST_WAIT))

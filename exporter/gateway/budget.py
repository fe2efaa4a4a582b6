"""The request budget: how many requests an account may make in any 60 seconds."""

from __future__ import annotations

from collections import deque
from typing import Final

from exporter.clock import Clock

WINDOW: Final = 60.0
"""Seconds over which requests are counted."""

RESERVED: Final = 10
"""One part in so many of the budget is kept from bulk requests."""

_SHORTEST_WAIT: Final = 0.001


class RequestBudget:
    """An exact sliding window: never more than `limit` requests in any 60 s, retries included.

    Bulk requests, of which catching up makes as many as it may, leave a tenth of the budget to
    the others: the balance must be read in time whatever history waits to be read.
    """

    def __init__(self, limit: int, clock: Clock) -> None:
        self._clock = clock
        self._all = _Window(limit)
        self._bulk = _Window(max(1, limit - max(1, limit // RESERVED)))

    async def take(self, *, bulk: bool = False) -> None:
        """Return when one more request is allowed, and count it."""
        windows = (self._all, self._bulk) if bulk else (self._all,)
        while True:
            now = self._clock.monotonic()
            wait = max(window.wait(now) for window in windows)
            if wait <= 0:
                break
            await self._clock.sleep(wait)
        for window in windows:
            window.taken.append(now)


class _Window:
    """When the requests of the last 60 s were made (monotonic seconds)."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.taken: deque[float] = deque()

    def wait(self, now: float) -> float:
        """Seconds until there is room for one more, 0 if there is."""
        while self.taken and now - self.taken[0] >= WINDOW:
            self.taken.popleft()
        if len(self.taken) < self._limit:
            return 0.0
        # Rounding can make this nothing; a clock that wakes early would let the wait spin.
        return max(self.taken[0] + WINDOW - now, _SHORTEST_WAIT)

"""The clock of all tests: no second of it is waited for."""

from __future__ import annotations

import asyncio
import heapq
from contextlib import suppress

NOW = 1_779_372_000.0
"""21 May 2026, 14:00 UTC."""

MOMENT = 5.0
"""Real seconds in which an answer over a real socket comes, also on a busy machine."""


class VirtualClock:
    """Time that passes only in `advance`, as fast as the work in it allows.

    With `skips`, every sleep moves time on at once instead; one that an event can end gives what
    it waits for a moment first. `slept` is what was asked for.
    """

    def __init__(self, start: float = NOW, *, skips: bool = False) -> None:
        self.start = start
        self.time = 0.0
        self.skips = skips
        self.slept: list[float] = []
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = 0

    def now(self) -> float:
        return self.start + self.time

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self.skips:
            self.time += seconds
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._number += 1
        heapq.heappush(self._sleepers, (self.time + max(0.0, seconds), self._number, future))
        await future

    async def sleep_unless(self, event: asyncio.Event, seconds: float) -> None:
        if self.skips:
            with suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), MOMENT)
                return
        either = [asyncio.ensure_future(one) for one in (self.sleep(seconds), event.wait())]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in either:
                one.cancel()

    async def advance(self, seconds: float) -> None:
        """Let so many seconds pass, waking every sleeper at its time."""
        end = self.time + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, future = heapq.heappop(self._sleepers)
            self.time = max(self.time, at)
            if not future.done():
                future.set_result(None)
                await settle()
        self.time = end


async def settle() -> None:
    """Let everything that can run, run."""
    for _ in range(60):
        await asyncio.sleep(0)

"""Time, passed in and never read from a global, so that tests run in simulated time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Protocol


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> float:
        """Unix seconds. May jump when the machine's clock is set."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`; cancellable."""


class InterruptibleClock(Clock, Protocol):
    """A clock whose sleeps can be cut short, at no cost while they are not."""

    async def sleep_unless(self, event: asyncio.Event, seconds: float) -> None:
        """Return after `seconds`, or as soon as `event` is set."""


class SystemClock:
    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def sleep_unless(self, event: asyncio.Event, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()

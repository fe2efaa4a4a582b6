"""An event loop in which no second is waited for."""

from __future__ import annotations

import asyncio
import selectors


class VirtualLoop(asyncio.SelectorEventLoop):
    """Where nothing is left to do now, its time leaps to what comes next.

    So every timer is virtual: sleeps, time-outs, and a transport that is slow to answer. For
    programs that do all of their work in the loop; nothing outside of it is waited for.
    """

    def __init__(self) -> None:
        self.leapt = 0.0
        super().__init__(_Leaping(self))

    def time(self) -> float:
        return self.leapt


class _Leaping(selectors.SelectSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout > 0:
            self._loop.leapt += timeout
            timeout = 0
        return super().select(timeout)

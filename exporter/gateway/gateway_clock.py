"""The gateway's time, told from the `Date` of its responses.

Windows, cursors and the start of counting go by it, so that a host whose clock is wrong, or is
set right later, neither counts anything twice nor misses anything.
"""

from __future__ import annotations

import asyncio

from exporter.clock import Clock
from exporter.gateway.envelope import Headers, date_of


class GatewayClock:
    """Learns from every response, whatever its status. Ours is used until a `Date` was seen.

    A `Date` is cut to whole seconds and comes late, so it bounds the gateway's time from both
    sides. Each response narrows these bounds; one that contradicts them replaces them. They are
    kept against our monotonic time, which does not leap when the host's clock is set.
    """

    def __init__(self, clock: Clock) -> None:
        self.heard = asyncio.Event()
        """Set by the first response: from then on nothing needs to wait for a `Date`."""
        self._clock = clock
        self._least: float | None = None
        self._most = 0.0

    @property
    def known(self) -> bool:
        """Whether the gateway tells its time."""
        return self._least is not None

    def now(self) -> float:
        """The gateway's time in Unix s, late by a second at most, and never early."""
        if self._least is None:
            return self._clock.now()
        return self._clock.monotonic() + self._least

    def host_time(self, at: float) -> float:
        """The earliest that our clock can have shown when the gateway's showed `at` (Unix s)."""
        if self._least is None:
            return at
        return at - (self._clock.monotonic() + self._most - self._clock.now())

    def offset(self) -> float | None:
        """The gateway's clock less ours, in seconds; None while it is not known."""
        if self._least is None:
            return None
        middle = (self._least + self._most) / 2
        return self._clock.monotonic() + middle - self._clock.now()

    def learn(self, headers: Headers, asked: float) -> None:
        """Take over the `Date` of a response that was `asked` for at this monotonic time."""
        self.heard.set()
        date = date_of(headers)
        if date is None:
            return
        least, most = date - self._clock.monotonic(), date + 1 - asked
        if self._least is not None and max(least, self._least) <= min(most, self._most):
            least, most = max(least, self._least), min(most, self._most)
        self._least, self._most = least, most

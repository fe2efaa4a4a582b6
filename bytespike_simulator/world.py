"""The world behind the simulated gateway: an account in which time passes.

Calls begin and end, somebody tops up, somebody makes amends: one heap of future events, taken in
the order of their instants (Unix s). Everything is a function of the options, the seed and the
instants given to `advance`.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from functools import partial

from bytespike_simulator import history, truth
from bytespike_simulator.account import Account
from bytespike_simulator.options import Options
from bytespike_simulator.traffic import Call, Traffic, rhythm
from bytespike_simulator.truth import Truth

FAILURES = 0.01
"""Share of calls that fail: their hold is released and nothing is billed."""

_IDLE = 60.0
_ERRAND_EVERY = 2 * 3600.0
_TOPUP_DELAY = 900.0


class World(Account):
    """The account at `now`, its history already behind it."""

    def __init__(self, options: Options, now: float) -> None:
        super().__init__(options, now)
        self.traffic = Traffic(self.rng, len(self.keys), self.models)
        history.write(self, self.traffic, now - options.history, now)
        self.org_spent = 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._scheduled = 0
        self._resumed = 0
        self._topup_due = False
        if options.traffic:
            self.resume_traffic()
        self._later(self.rng.expovariate(1 / _ERRAND_EVERY), self._errand)

    def truth(self, since: float | None = None) -> Truth:
        """What really happened; `since`: usage of calls created and movements posted from then."""
        return truth.tell(self, since)

    def advance(self, to: float) -> None:
        """Let everything happen until `to`. Going back does nothing."""
        while self._events and self._events[0][0] <= to:
            at, _, action = heapq.heappop(self._events)
            self.now = max(self.now, at)
            action()
        self.now = max(self.now, to)

    def pause_traffic(self) -> None:
        """No further call begins by itself; those in flight end."""
        self._resumed += 1

    def resume_traffic(self) -> None:
        self._resumed += 1
        self._arrive(self._resumed, begins=False)

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        """Schedule; `seconds` of the world's time, which `speed` shortens."""
        at = self.now + seconds / max(self.options.speed, 1e-6)
        self._scheduled += 1
        heapq.heappush(self._events, (at, self._scheduled, action))

    def _arrive(self, resumed: int, *, begins: bool) -> None:
        """Begin a call perhaps, and schedule the next, unless traffic was paused meanwhile.

        The rate may change at any time, so that it is looked at again after a while.
        """
        if resumed != self._resumed:
            return
        if begins:
            [call] = self.traffic.draw()
            self.begin(call)
        rate = self.options.rate / 60
        wait = self.rng.expovariate(rate * rhythm(self.now)) if rate else _IDLE
        self._later(min(wait, _IDLE), partial(self._arrive, resumed, begins=wait < _IDLE))

    def begin(self, call: Call) -> None:
        """Begin one call if wallet and caps allow it: reserve its worst case."""
        if self.refuses(call) is None:
            self.hold(call.hold)
            began = self.now
            self._later(call.seconds, lambda: self._end(call, began))

    def refuses(self, call: Call) -> str | None:
        """Why the tightest of wallet, window and caps refuses the call; None if none does."""
        key, model = self.keys[call.key], self.models[call.model]
        rooms = {"wallet_empty": self.wallet.available}
        window = key.tightest(self.now)
        if window is not None:
            rooms["window_spent"] = window.remaining
        if key.quota is not None:
            rooms["key_cap_reached"] = key.quota - key.spent
        if model.cap is not None:
            rooms["model_cap_reached"] = model.cap - model.used
        reason = min(rooms, key=rooms.__getitem__)
        if rooms[reason] >= call.hold:
            return None
        self._top_up_soon()
        return reason

    def _end(self, call: Call, began: float) -> None:
        self.release(call.hold)
        if self.rng.random() >= FAILURES:
            self.succeed(call, began)

    def succeed(self, call: Call, began: float) -> None:
        """Charge a call that went well; its row bears the instant at which it began."""
        self.charge(call.key, call.model, call.sums, began)
        if self.low:
            self._top_up_soon()

    def _top_up_soon(self) -> None:
        if self.options.auto_topup and self.low and not self._topup_due:
            self._topup_due = True
            self._later(_TOPUP_DELAY, self._top_up)

    def _top_up(self) -> None:
        self._topup_due = False
        self.pay_in(max(50.0, 10.0 * self.options.threshold_usd))

    def _errand(self) -> None:
        if self.options.errands:
            history.errand(self)
        self._later(self.rng.expovariate(1 / _ERRAND_EVERY), self._errand)

"""Life in the simulated world: calls begin and end, somebody tops up, somebody makes amends.

One heap of future events, taken in the order of their instants (Unix s).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import TYPE_CHECKING

from bytespike_simulator.traffic import Call
from bytespike_simulator.wallet import CREDITS

if TYPE_CHECKING:
    from bytespike_simulator.world import World

FAILURES = 0.01
"""Share of calls that fail: their hold is released and nothing is billed."""

REBATES = 0.002
"""Share of billed calls that turn out to have failed."""

_IDLE = 60.0
_ERRAND_EVERY = 3 * 3600.0
_TOPUP_DELAY = 900.0
_ERRANDS = (
    ("admin_credit", 5 * CREDITS, "goodwill"),
    ("admin_debit", -2 * CREDITS, "correction"),
    ("subscription_renew", 20 * CREDITS, "monthly plan"),
)


class Life:
    """Moves the world forward."""

    def __init__(self, world: World) -> None:
        self.in_flight = 0
        self.refused = 0
        self._world = world
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._arrivals = 0
        self._topup_due = False
        if world.options.traffic:
            self.resume()
        self._later(world.rng.expovariate(1 / _ERRAND_EVERY), self._errand)

    def advance(self, to: float) -> None:
        """Let every event up to `to` happen."""
        world = self._world
        while self._events and self._events[0][0] <= to:
            at, _, action = heapq.heappop(self._events)
            world.now = max(world.now, at)
            action()
        world.now = max(world.now, to)

    def pause(self) -> None:
        """No further call begins by itself."""
        self._arrivals += 1

    def resume(self) -> None:
        """Calls begin by themselves."""
        self._arrivals += 1
        self._next_arrival(self._arrivals)

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        """Schedule; `seconds` of the world's time, which `speed` shortens."""
        self._at(self._world.now + seconds / max(self._world.options.speed, 1e-6), action)

    def _at(self, instant: float, action: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (instant, self._count, action))

    def _next_arrival(self, generation: int) -> None:
        """Schedule the next call, unless traffic was paused since `generation` began."""
        world = self._world
        rate = world.options.rate * world.options.speed / 60
        if rate > 0:
            wait = min(_IDLE, world.traffic.wait(world.now, rate))
            begins = wait < _IDLE
        else:
            wait, begins = _IDLE, False
        self._at(world.now + wait, lambda: self._arrive(generation, begins))

    def _arrive(self, generation: int, begins: bool) -> None:
        if generation != self._arrivals:
            return
        if begins:
            self.begin(self._world.traffic.draw())
        self._next_arrival(generation)

    def begin(self, call: Call) -> bool:
        """Begin one call if wallet and caps allow it: reserve its worst case."""
        if self.lacks(call):
            return False
        self.hold(call)
        began = self._world.now
        self._later(call.seconds, lambda: self._end(call, began))
        return True

    def lacks(self, call: Call) -> str | None:
        """Why the tightest of wallet, window and caps refuses the call; None if none does."""
        world = self._world
        key, model = world.keys[call.key], world.models[call.model]
        rooms = {"wallet_empty": world.wallet.available}
        window = key.windows.tightest(world.now)
        if window is not None:
            rooms["window_spent"] = window.remaining
        if key.quota is not None:
            rooms["key_cap_reached"] = key.quota - key.spent
        if model.cap is not None:
            rooms["model_cap_reached"] = model.cap - model.used
        reason = min(rooms, key=rooms.__getitem__)
        if rooms[reason] >= call.hold:
            return None
        self.refused += 1
        self._top_up_soon()
        return reason

    def hold(self, call: Call) -> None:
        """Reserve the worst case of a call that is under way from now on."""
        self._world.wallet.held += call.hold
        self.in_flight += 1

    def release(self, call: Call) -> None:
        """Give back what was reserved for a call that has ended."""
        self._world.wallet.held -= call.hold
        self.in_flight -= 1

    def _end(self, call: Call, began: float) -> None:
        self.release(call)
        if self._world.rng.random() >= FAILURES:
            self.bill(call, began)

    def bill(self, call: Call, began: float) -> None:
        """Charge a call that went well; its row bears the instant at which it began."""
        world = self._world
        request = world.charge(call.key, call.model, call.sums, began)
        if world.options.errands and world.rng.random() < REBATES:
            self._later(world.rng.uniform(300, 5400), lambda: self._make_amends(request))
        if world.low:
            self._top_up_soon()

    def _make_amends(self, request: str) -> None:
        if self._world.rows.find(request) is not None:
            self._world.rebate(request)

    def _top_up_soon(self) -> None:
        if self._world.options.auto_topup and self._world.low and not self._topup_due:
            self._topup_due = True
            self._later(_TOPUP_DELAY, self._top_up)

    def _top_up(self) -> None:
        self._topup_due = False
        usd = max(50.0, 10.0 * self._world.options.threshold_usd)
        self._world.topup(usd, bonus=usd / 10 if usd >= 100 else 0.0)

    def _errand(self) -> None:
        if self._world.options.errands:
            kind, amount, note = self._world.rng.choice(_ERRANDS)
            self._world.transaction(kind, amount, note=note)
        self._later(self._world.rng.expovariate(1 / _ERRAND_EVERY), self._errand)

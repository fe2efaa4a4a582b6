"""Applications' calls as a tap would have seen them, in minutes that are replayed."""

from __future__ import annotations

from exporter.clock import Clock
from exporter.gateway.readings import Envelope, Observation, Source
from exporter.live import Live
from exporter.secrets import Secret
from exporter.tap.intake import Intake
from exporter.throttle import Throttle
from exporter.traffic import DeliveryOutcome, TapOutcome

_REFUSED_ONE_IN = 25
_MODELS = ("gpt-5-4", "claude-sonnet-5")


class Calls:
    """What the tap of one exporter sees: its accounts' own keys, and one more that is tapped."""

    def __init__(self, live: Live, account: str, clock: Clock, throttle: Throttle) -> None:
        """Keys of no account belong to `account`."""
        self._board = live
        self._clock = clock
        self._intake = Intake(live, account, clock, throttle)
        self._number = 0
        live.tap.observing = live.tap.hooked = True

    def happen(self, key: str, number: int, source: Source, *, refused: int = 429) -> None:
        """So many calls with a key until now; every 25th is refused with that status."""
        now = self._clock.now()
        envelope = Envelope(observed_at=now - 5.0, key_id=Secret(key).masked())
        for _ in range(number):
            self._number += 1
            fine = self._number % _REFUSED_ONE_IN != 0
            model = _MODELS[self._number % len(_MODELS)] if fine else None
            self._intake.take(Observation(source, 200 if fine else refused, envelope, model))

    def fail(self) -> None:
        """What goes wrong now and then."""
        self._board.tap.observed(None, TapOutcome.MALFORMED, 3)

    def push(self, outcome: DeliveryOutcome) -> None:
        """The gateway delivers to the webhook."""
        self._board.tap.deliveries[outcome] += 1

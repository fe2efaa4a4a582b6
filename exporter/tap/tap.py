"""The tap of one daemon: its listener, and the way from there to the live readings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.clock import Clock
from exporter.config.types import Config, Listen
from exporter.gateway.readings import Observation
from exporter.live import Live
from exporter.tap.intake import Intake
from exporter.throttle import Throttle

if TYPE_CHECKING:
    from exporter.tap.listener import Listener


class Tap:
    """Makes the listener, and keeps it to the configuration in force."""

    def __init__(self, config: Config, live: Live, clock: Clock, throttle: Throttle) -> None:
        self._live = live
        self._clock = clock
        self._intake = Intake(live, config.tap.account, clock, throttle)
        self.change(config)

    def change(self, config: Config) -> None:
        """Go by `config` from now on."""
        self._intake.account = config.tap.account
        self._live.tap.observing = config.tap.enabled

    def listener(self, listen: Listen) -> Listener:
        """Takes datagrams at `listen`. Loaded only now, as most exporters have no tap."""
        from exporter.tap.listener import Listener

        return Listener(listen, self._take, self._live.tap, self._clock)

    def _take(self, observation: Observation) -> None:
        self._intake.take(observation)

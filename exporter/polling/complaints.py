"""What the log says about polls: that they fail, once, and that they work again.

An outage that hits a thousand accounts at once is told in a few lines.
"""

from __future__ import annotations

import logging

from exporter.clock import Clock
from exporter.errors import GatewayError, Outcome
from exporter.gateway.readings import Endpoint
from exporter.throttle import EVERY, Throttle

LINES = 20
"""Troubles with one outcome that are told one by one in `EVERY` seconds."""

logger = logging.getLogger(__name__)

_Place = tuple[str, Endpoint]


class Complaints:
    """Those of all accounts."""

    def __init__(self, throttle: Throttle, clock: Clock) -> None:
        self._throttle = throttle
        self._clock = clock
        self._failing: dict[_Place, dict[Outcome, int]] = {}
        self._told: dict[Outcome, tuple[float, int]] = {}

    def failed(self, account: str, endpoint: Endpoint, error: GatewayError) -> None:
        """A poll failed. Another way to fail is news, the same one only now and then."""
        place = (account, endpoint)
        levels = self._failing.setdefault(place, {})
        if error.outcome not in levels:
            levels[error.outcome] = self._level(error.outcome)
        self._throttle.say(
            (place, error.outcome),
            "Account %s: %s poll failed: %s",
            account,
            endpoint,
            error,
            level=levels[error.outcome],
        )

    def works(self, account: str, endpoint: Endpoint) -> None:
        """A poll succeeded."""
        place = (account, endpoint)
        levels = self._failing.pop(place, None)
        if levels is None:
            return
        for outcome in levels:
            self._throttle.forget((place, outcome))
        level = logging.INFO if logging.WARNING in levels.values() else logging.DEBUG
        logger.log(level, "Account %s: %s poll works again", account, endpoint)

    def _level(self, outcome: Outcome) -> int:
        """How loud one more trouble of this kind is told."""
        now = self._clock.monotonic()
        since, lines = self._told.get(outcome, (now, 0))
        if now - since >= EVERY:
            since, lines = now, 0
        self._told[outcome] = (since, lines + 1)
        if lines == LINES:
            logger.warning(
                "Further polls fail in the same way (%s); the status page shows all of them",
                outcome,
            )
        return logging.WARNING if lines < LINES else logging.DEBUG

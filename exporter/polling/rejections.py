"""Rows that could not be understood: each is logged and counted once."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from exporter.clock import Clock
from exporter.gateway.readings import Endpoint, Rejected
from exporter.live import LiveAccount
from exporter.throttle import EVERY

LINES = 10
"""Rows of one stream that are warned of in `EVERY` seconds; the others are for debugging only."""

_REMEMBERED = 10_000

logger = logging.getLogger(__name__)


class Rejections:
    """Those of one stream of one account."""

    def __init__(self, live: LiveAccount, endpoint: Endpoint, clock: Clock) -> None:
        self._account = live.name
        self._endpoint = endpoint
        self._clock = clock
        self._known = live.rejected[endpoint]
        self._since = -EVERY
        self._lines = 0

    def note(self, rejected: Iterable[Rejected]) -> int:
        """Log the rows that are new; returns how many they are."""
        fresh = {row.row_id: row for row in rejected if row.row_id not in self._known}
        for row in fresh.values():
            self._known[row.row_id] = None
            self._say(row)
        while len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]
        return len(fresh)

    def _say(self, row: Rejected) -> None:
        now = self._clock.monotonic()
        if now - self._since >= EVERY:
            self._since, self._lines = now, 0
        self._lines += 1
        logger.log(
            logging.WARNING if self._lines <= LINES else logging.DEBUG,
            "Account %s: %s: %s is not counted: %s",
            self._account,
            self._endpoint,
            row.row_id,
            row.reason,
        )
        if self._lines == LINES + 1:
            logger.warning(
                "Account %s: %s: further rows are not counted either; log.level debug names them",
                self._account,
                self._endpoint,
            )

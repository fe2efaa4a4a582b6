"""When everything that is not final is read again, and in how long pieces."""

from __future__ import annotations

from exporter.ledger.cursor import FIRST_SPAN, HOUR, LONGEST_SPAN

FEW_ROWS = 2000
"""A slice with no more rows than this makes the next one twice as long."""

MANY_ROWS = 6000
"""A slice with more rows than this makes the next one half as long."""

WORKED = 8
"""Slices that must have worked before a longer one is tried again after one that did not."""


class DriftAlarm:
    """Asks for a sweep when drift says that usage was missed, and not again for the same drift.

    A sweep that finds nothing makes the next one wait twice as long, up to `longest` seconds.
    """

    def __init__(self, shortest: float, longest: float) -> None:
        self._shortest = shortest
        self._longest = longest
        self._wait = shortest
        self._not_before = 0.0
        self._known = 0
        self._began_with = 0

    def due(self, drift: int | None, now: float) -> bool:
        """Whether `drift` (nano-USD) is more than the last sweep could not explain."""
        return drift is not None and drift > self._known and now >= self._not_before

    def begun(self, drift: int | None) -> None:
        """A sweep begins, with this drift to explain."""
        self._began_with = max(drift or 0, 0)

    def swept(self, drift: int | None, found: bool, now: float) -> None:
        """A sweep ended and left this drift; `found`: it counted something.

        What came while it was reading it cannot have explained.
        """
        self._known = 0 if found else min(self._began_with, max(drift or 0, 0))
        self._wait = self._shortest if found else min(self._wait * 2, self._longest)
        self._not_before = now + self._wait


class Span:
    """How long the next slice is, in seconds: as long as the gateway answers well."""

    def __init__(self) -> None:
        self.seconds = FIRST_SPAN
        self._longest = LONGEST_SPAN
        self._worked = 0

    def failed(self, seconds: float) -> None:
        """The gateway cannot answer for so long a slice."""
        self.seconds = self._longest = max(HOUR, seconds / 4 // HOUR * HOUR)
        self._worked = 0

    def worked(self, rows: int) -> None:
        self._worked += 1
        if self._worked >= WORKED:
            self._longest, self._worked = min(self._longest * 2, LONGEST_SPAN), 0
        if rows <= FEW_ROWS:
            self.seconds = min(self.seconds * 2, self._longest)
        elif rows > MANY_ROWS:
            self.seconds = max(HOUR, self.seconds / 2 // HOUR * HOUR)

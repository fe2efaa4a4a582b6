"""How every poll and every export went. Lives in memory, as `exporter.live` does."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from dataclasses import dataclass, field, replace
from enum import StrEnum

from exporter.errors import Outcome

DURATION_BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds, in seconds, of the buckets of `bytespike.exporter.poll.duration`."""

STALE_INTERVALS = 3
"""A reading older than this many poll intervals is unknown."""


def is_stale(observed_at: float, interval: float, now: float) -> bool:
    """Whether what was read at `observed_at` (Unix s) is too old to be shown.

    `interval` is the poll interval in seconds. The future is as unknown as the past: after the
    machine's clock was set back, an old reading would otherwise look new until then.
    """
    return abs(now - observed_at) > STALE_INTERVALS * interval


class ExportOutcome(StrEnum):
    """How one OTLP export ended: `bytespike.outcome` on `bytespike.exporter.exports`."""

    SUCCESS = "success"
    PARTIAL = "partial"
    FAILURE = "failure"


class RowOutcome(StrEnum):
    """What became of a usage row: `bytespike.outcome` on `bytespike.exporter.usage.rows`."""

    COUNTED = "counted"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"


@dataclass(slots=True, eq=False)
class Histogram:
    """Durations in `DURATION_BOUNDS` buckets; `counts` has one more, for what is above."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(DURATION_BOUNDS) + 1))
    sum: float = 0.0
    min: float = 0.0
    max: float = 0.0

    @property
    def count(self) -> int:
        return sum(self.counts)

    def record(self, seconds: float) -> None:
        self.min = min(self.min, seconds) if self.count else seconds
        self.max = max(self.max, seconds)
        self.counts[bisect_left(DURATION_BOUNDS, seconds)] += 1
        self.sum += seconds

    def copy(self) -> Histogram:
        """The same durations, apart from what is recorded from now on."""
        return replace(self, counts=self.counts.copy())


@dataclass(slots=True, eq=False)
class EndpointStatus:
    """One endpoint of one account, as its polls found it.

    `up` and `last_outcome` are None before the first poll ended. Instants are Unix seconds.
    `interval` is the configured poll interval in seconds, without jitter. `behind`: while history
    is being caught up, how many seconds of it are left to read; None otherwise. `position`: up to
    when rows were read, by the gateway's clock. `asked` is set where something is known that makes
    the next poll worth having now. `optional`: nothing depends on it, and it may be refused.
    """

    interval: float
    optional: bool = False
    up: bool | None = None
    last_outcome: Outcome | None = None
    last_success: float | None = None
    last_error: str | None = None
    last_error_at: float | None = None
    next_poll: float | None = None
    behind: float | None = None
    position: float | None = None
    polls: dict[Outcome, int] = field(default_factory=dict)
    duration: Histogram = field(default_factory=Histogram)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    def succeeded(self, now: float, seconds: float) -> None:
        """A poll at `now` that took `seconds` gave its reading."""
        self.up = True
        self.last_success = now
        self.last_error = None
        self._ended(Outcome.SUCCESS, seconds)

    def failed(self, now: float, seconds: float, outcome: Outcome, message: str, up: bool) -> None:
        """A poll failed; `up` where the gateway itself works (402)."""
        self.up = up
        self.last_error = message
        self.last_error_at = now
        self._ended(outcome, seconds)

    def _ended(self, outcome: Outcome, seconds: float) -> None:
        self.last_outcome = outcome
        self.polls[outcome] = self.polls.get(outcome, 0) + 1
        self.duration.record(seconds)

    def stale(self, now: float) -> bool:
        return self.last_success is None or is_stale(self.last_success, self.interval, now)


@dataclass(slots=True, eq=False)
class ExportStatus:
    """How the OTLP exports went. Instants are Unix seconds."""

    outcomes: dict[ExportOutcome, int] = field(
        default_factory=lambda: dict.fromkeys(ExportOutcome, 0)
    )
    last_success: float | None = None
    last_error: str | None = None
    last_error_at: float | None = None

    def ended(self, now: float, outcome: ExportOutcome, error: str | None) -> None:
        self.outcomes[outcome] += 1
        if outcome is ExportOutcome.SUCCESS:
            self.last_success = now
            self.last_error = None
        else:
            self.last_error = error
            self.last_error_at = now

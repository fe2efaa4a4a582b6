"""The newest readings of every account and the health of every poll and export.

Lives in memory only and starts anew with the process. Written by the poller and the export
loop, read by the snapshot and the status page.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

import msgspec

from exporter.errors import Outcome
from exporter.gateway.readings import AccountReading, Endpoint, Envelope, Rejected
from exporter.traffic import TapStatus, Traffic

DURATION_BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds, in seconds, of the buckets of `bytespike.exporter.poll.duration`."""

STALE_INTERVALS = 3
"""A reading older than this many poll intervals is unknown."""

CLOCK_SET_BACK = 60.0
"""An envelope this many seconds older than the last is no late answer: the clock was set back."""

_REJECTED = 10_000
"""Rejected rows of one endpoint that are remembered."""


def is_stale(observed_at: float, interval: float, now: float) -> bool:
    """Whether what was read at `observed_at` (Unix s) is too old to be shown.

    `interval` is the poll interval in seconds. The future is as unknown as the past: after the
    machine's clock was set back, an old reading would otherwise look new until then.
    """
    return abs(now - observed_at) > STALE_INTERVALS * interval


class Sample(msgspec.Struct, frozen=True):
    """One number of an envelope and when it was observed (Unix seconds)."""

    value: float
    observed_at: float


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
    is being caught up, how many seconds of it are left to read; None otherwise. `asked` is set
    where something is known that makes the next poll worth having now.
    """

    interval: float
    up: bool | None = None
    last_outcome: Outcome | None = None
    last_success: float | None = None
    last_error: str | None = None
    last_error_at: float | None = None
    next_poll: float | None = None
    behind: float | None = None
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


@dataclass(slots=True)
class KeyReadings:
    """The envelope of one key, number by number: a response that lacks a header leaves it be.

    Money in nano-USD, `reset_at` in Unix seconds.
    """

    limit: Sample | None = None
    remaining: Sample | None = None
    reset_at: Sample | None = None
    key_quota_remaining: Sample | None = None
    org_quota_remaining: Sample | None = None

    def observe(self, envelope: Envelope) -> None:
        """Take over what the envelope says, unless something newer is known."""
        at = envelope.observed_at
        for name in self.__slots__:
            value = getattr(envelope, name)
            known: Sample | None = getattr(self, name)
            late = known is not None and 0 < known.observed_at - at < CLOCK_SET_BACK
            if value is not None and not late:
                setattr(self, name, Sample(value, at))


class LiveAccount:
    """Newest readings of one account.

    `own_key` is the masked form of the key that polls, None while it cannot be read. `interval` is
    `poll.account` in seconds, by which envelopes are judged. `rejected` holds the ids of rows that
    could not be understood, so that each is logged and counted once, however often it comes.
    """

    def __init__(self, name: str, endpoints: dict[Endpoint, float]) -> None:
        """`endpoints`: each enabled endpoint and its poll interval in seconds."""
        self.name = name
        self.own_key: str | None = None
        self.interval = endpoints.get(Endpoint.ACCOUNT, 0.0)
        self.traffic = Traffic()
        self.endpoints = {endpoint: EndpointStatus(s) for endpoint, s in endpoints.items()}
        self.account: AccountReading | None = None
        self.keys: dict[str, KeyReadings] = {}
        self.rows: dict[RowOutcome, int] = dict.fromkeys(RowOutcome, 0)
        self.rejected: dict[Endpoint, dict[str, None]] = {endpoint: {} for endpoint in Endpoint}

    @classmethod
    def after(
        cls, before: LiveAccount | None, name: str, endpoints: dict[Endpoint, float]
    ) -> LiveAccount:
        """The account with other poll intervals, and all that was read of it `before`."""
        account = cls(name, endpoints)
        if before is not None:
            account.account, account.keys = before.account, before.keys
            account.rows, account.rejected = before.rows, before.rejected
            account.traffic = before.traffic
            for endpoint in endpoints.keys() & before.endpoints.keys():
                account.endpoints[endpoint] = before.endpoints[endpoint]
                account.endpoints[endpoint].interval = endpoints[endpoint]
        return account

    def newly_rejected(self, endpoint: Endpoint, rows: Iterable[Rejected]) -> list[Rejected]:
        """Those of the rows that did not come before; from now on they did."""
        known = self.rejected[endpoint]
        fresh = {row.row_id: row for row in rows if row.row_id not in known}
        known.update(dict.fromkeys(fresh))
        while len(known) > _REJECTED:
            del known[next(iter(known))]
        return list(fresh.values())

    @property
    def user_id(self) -> str | None:
        return self.account.user_id if self.account is not None else None

    def ask(self, *endpoints: Endpoint) -> None:
        """Have these polled now, as far as they are polled at all."""
        for endpoint in endpoints:
            if endpoint in self.endpoints:
                self.endpoints[endpoint].asked.set()

    @property
    def organization_balance(self) -> Sample | None:
        """What is left in the organization's wallet, whichever key read it last."""
        known = [key.org_quota_remaining for key in self.keys.values() if key.org_quota_remaining]
        return max(known, key=lambda sample: sample.observed_at, default=None)

    def observe(self, envelope: Envelope) -> None:
        """Take over an envelope, whatever the status of the response that carried it."""
        self.keys.setdefault(envelope.key_id, KeyReadings()).observe(envelope)


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


@dataclass(slots=True, eq=False)
class Live:
    started_at: float
    accounts: dict[str, LiveAccount] = field(default_factory=dict)
    exports: ExportStatus = field(default_factory=ExportStatus)
    tap: TapStatus = field(default_factory=TapStatus)
    state_writable: bool = True
    state_error: str | None = None

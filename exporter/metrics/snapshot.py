"""Ledger totals and newest readings → points. Pure: what is unknown has no point.

Money becomes a binary float here and nowhere earlier. Gauges that show what the gateway said are
in `from_readings`, the ledger's counters in `from_ledger`. What the tap saw and the exporter's own
numbers are here; their counters start anew with the process.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from exporter import __version__
from exporter.errors import Outcome
from exporter.gateway.readings import Endpoint
from exporter.ledger.totals import AccountTotals
from exporter.live import Live, LiveAccount
from exporter.metrics import catalogue as c
from exporter.metrics import from_keys, from_ledger, from_readings
from exporter.metrics.points import Draft, Point, Snapshot, to_ns
from exporter.traffic import TapOutcome

__all__ = ("Point", "Snapshot", "take")

_PYTHON = ".".join(str(part) for part in sys.version_info[:3])


def take(
    live: Live, totals: Mapping[str, AccountTotals] | None, now: float, everything: bool = False
) -> Snapshot:
    """All points at `now` (Unix s). `totals` by account name; an account without any has none.

    `everything`: also what is held back from receivers (see `LiveAccount.held_back`).

    None where the state cannot be read: then what was counted is missing.

    To be called where `live` is written: it must not change meanwhile. The snapshot shares
    nothing with it that changes later.
    """
    draft = Draft(now)
    for account in live.accounts.values():
        from_readings.add(draft, account)
        counted = (totals or {}).get(account.name, AccountTotals())
        from_keys.add(draft, account, counted.usage)
        if totals is not None:
            from_ledger.add(draft, account, counted, everything)
        _traffic(draft, account)
        _polls(draft, account, live.started_at)
    _tap(draft, live)
    _process(draft, live)
    return draft.done()


def _traffic(draft: Draft, account: LiveAccount) -> None:
    """Add what was seen on one account's traffic. The counters of a key start when it is seen."""
    traffic, name = account.traffic, account.name
    for key, sources in traffic.seen.items():
        for source, at in sources.items():
            draft.gauge(c.TAP_LAST, (name, key, source.value), at)
    streams = {key: draft.stream(to_ns(at)) for key, at in traffic.first.items()}
    for (key, status_class, model), count in traffic.responses.items():
        draft.counter(c.TAP_RESPONSES, (name, key, status_class, model), count, streams[key])
    for (key, status), count in traffic.refusals.items():
        draft.counter(c.TAP_REFUSALS, (name, key, str(status)), count, streams[key])


def _tap(draft: Draft, live: Live) -> None:
    """Add how tap and webhook themselves fare, each where it is switched on."""
    tap, stream = live.tap, draft.stream(to_ns(live.started_at))
    if tap.observing:
        observations = {(None, TapOutcome.MALFORMED): 0} | tap.observations
        for (source, outcome), count in observations.items():
            whose = source.value if source is not None else None
            draft.counter(c.TAP_OBSERVATIONS, (whose, outcome.value), count, stream)
    if tap.hooked:
        for delivery, count in tap.deliveries.items():
            draft.counter(c.WEBHOOK_DELIVERIES, (delivery.value,), count, stream)


def _polls(draft: Draft, account: LiveAccount, started_at: float) -> None:
    """Add how the polls of one account went; the process started at `started_at` (Unix s).

    Polls count from 0 for successes and appear when first seen for every other outcome.
    How the list of keys fares, which may be refused, shows in those alone.
    All outcomes of 1,000 accounts would be 24,000 series that nearly always stay at 0.
    """
    stream = draft.stream(to_ns(started_at))
    draft.gauge(c.CLOCK_OFFSET, (account.name,), account.clock_offset)
    for endpoint, status in account.endpoints.items():
        attributes = (account.name, endpoint.value)
        if status.up is not None and not status.optional:
            draft.gauge(c.GATEWAY_UP, attributes, int(status.up))
        if not status.optional:
            draft.gauge(c.LAST_SUCCESS, attributes, status.last_success)
        for outcome, count in ({Outcome.SUCCESS: 0} | status.polls).items():
            draft.counter(c.POLLS, (*attributes, outcome.value), count, stream)
        if status.duration.count:
            draft.counter(c.POLL_DURATION, attributes, status.duration.copy(), stream)
    if Endpoint.USAGE in account.endpoints:
        for row, count in account.rows.items():
            draft.counter(c.USAGE_ROWS, (account.name, row.value), count, stream)


def _process(draft: Draft, live: Live) -> None:
    """Add what belongs to no account: exports from 0 for every outcome, and the build."""
    stream = draft.stream(to_ns(live.started_at))
    for outcome, count in live.exports.outcomes.items():
        draft.counter(c.EXPORTS, (outcome.value,), count, stream)
    draft.gauge(c.BUILD_INFO, (__version__, _PYTHON), 1)

"""The exporter's own numbers. Their counters start anew with the process."""

from __future__ import annotations

import sys

from exporter import __version__
from exporter.errors import Outcome
from exporter.gateway.readings import Endpoint
from exporter.live import Live, LiveAccount
from exporter.metrics import catalogue as c
from exporter.metrics.points import Draft, to_ns

_PYTHON = ".".join(str(part) for part in sys.version_info[:3])


def add_account(draft: Draft, account: LiveAccount, started_at: float) -> None:
    """Add how the polls of one account went; the process started at `started_at` (Unix s).

    Polls count from 0 for successes and appear when first seen for every other outcome.
    All outcomes of 1,000 accounts would be 24,000 series that nearly always stay at 0.
    """
    stream = draft.stream(to_ns(started_at))
    draft.gauge(c.CLOCK_OFFSET, (account.name,), account.clock_offset)
    for endpoint, status in account.endpoints.items():
        attributes = (account.name, endpoint.value)
        if status.up is not None:
            draft.gauge(c.GATEWAY_UP, attributes, int(status.up))
        draft.gauge(c.LAST_SUCCESS, attributes, status.last_success)
        for outcome, count in ({Outcome.SUCCESS: 0} | status.polls).items():
            draft.counter(c.POLLS, (*attributes, outcome.value), count, stream)
        if status.duration.count:
            draft.counter(c.POLL_DURATION, attributes, status.duration.copy(), stream)
    if Endpoint.USAGE in account.endpoints:
        for row, count in account.rows.items():
            draft.counter(c.USAGE_ROWS, (account.name, row.value), count, stream)


def add_process(draft: Draft, live: Live) -> None:
    """Add what belongs to no account: exports from 0 for every outcome, and the build."""
    stream = draft.stream(to_ns(live.started_at))
    for outcome, count in live.exports.outcomes.items():
        draft.counter(c.EXPORTS, (outcome.value,), count, stream)
    draft.gauge(c.BUILD_INFO, (__version__, _PYTHON), 1)

"""What the tap saw. Its counters start anew with the process."""

from __future__ import annotations

from exporter.live import Live, LiveAccount
from exporter.metrics import catalogue as c
from exporter.metrics.points import Draft, to_ns
from exporter.traffic import TapOutcome


def add_account(draft: Draft, account: LiveAccount) -> None:
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


def add_process(draft: Draft, live: Live) -> None:
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

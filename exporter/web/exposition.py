"""The body of `/metrics`: one snapshot in the format that the scraper asks for."""

from __future__ import annotations

from collections.abc import Mapping

from exporter.ledger.totals import AccountTotals
from exporter.live import Live
from exporter.metrics import prometheus, snapshot


def expose(
    live: Live, totals: Mapping[str, AccountTotals], now: float, accept: str
) -> tuple[str, bytes]:
    """Content type and body at `now` (Unix s); `accept` is the request's header."""
    openmetrics = prometheus.negotiate(accept)
    body = prometheus.render(snapshot.take(live, totals, now), openmetrics)
    return prometheus.content_type(openmetrics), body

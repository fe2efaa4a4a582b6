"""Points that the Collector received, as the cumulative streams that they belong to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from tests.e2e.expected import Series, Shown
from tests.peers.collector import Received

OWN = "bytespike.exporter."
"""How the names of the exporter's own metrics begin: their counters start with the process."""

_NAMES = {
    "bytespike.usage.cost": "bytespike_usage_cost_USD_total",
    "bytespike.usage.tokens": "bytespike_usage_tokens_total",
    "bytespike.usage.requests": "bytespike_usage_requests_total",
}


def counted(points: Iterable[Received]) -> dict[tuple[str, Series], list[Received]]:
    """The points of every counter of usage and billing, by series, in order of arrival."""
    streams: defaultdict[tuple[str, Series], list[Received]] = defaultdict(list)
    for point in points:
        if point.kind == "sum" and point.name.startswith(("bytespike.usage.", "bytespike.bill")):
            streams[point.name, frozenset(point.attributes.items())].append(point)
    return dict(streams)


def growth(deltas: Iterable[Received]) -> Shown:
    """The usage counters as cumulativetodelta's output adds up, money to the micro-USD."""
    sums: defaultdict[str, defaultdict[Series, float]] = defaultdict(lambda: defaultdict(float))
    for point in deltas:
        if name := _NAMES.get(point.name):
            labels = ((key.replace(".", "_"), value) for key, value in point.attributes.items())
            sums[name][frozenset(labels)] += point.value
    # A difference of doubles is not the double nearest to the difference.
    return {name: {k: round(v, 6) for k, v in values.items()} for name, values in sums.items()}

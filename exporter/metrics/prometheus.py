"""A snapshot as Prometheus text or OpenMetrics 1.0, with the names of Prometheus' OTLP translation.

Zero points are left out: a scrape holds one sample per series. What stands for them is `_created`,
the start of the series, which only OpenMetrics has: Prometheus with created-timestamp ingestion
turns it into the zero, without it the first increment of a new series is seen by OTLP only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

from prometheus_client import PLATFORM_COLLECTOR, PROCESS_COLLECTOR, generate_latest
from prometheus_client import Metric as Family
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_latest
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from exporter.metrics.catalogue import CATALOGUE
from exporter.metrics.metric import Metric, MetricKind
from exporter.metrics.points import Point, Snapshot
from exporter.status import DURATION_BOUNDS, Histogram

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_BOUNDS = tuple(f"{bound}" for bound in (*DURATION_BOUNDS, "+Inf"))
"""As OpenMetrics wants them: `1.0`."""

_TEXT_BOUNDS = tuple(bound.removesuffix(".0") for bound in _BOUNDS)
"""As the OTLP translation spells them: `1`."""

_UNITS = {"USD": "USD", "s": "seconds", "1": "ratio", "": ""}


def negotiate(accept: str) -> bool:
    """Whether the sender of this Accept header gets OpenMetrics rather than plain text."""
    try:
        _, content_type = choose_encoder(accept)
    except TypeError:  # a version that is no number
        return False
    return content_type.startswith("application/openmetrics-text; version=1.0.0;")


def prometheus_name(metric: Metric) -> str:
    """The name under which Prometheus stores a metric that came by OTLP, and `/metrics` serves it.

    Dots become underscores; then the unit, then `_total` for a counter. A unit in braces is an
    annotation and adds nothing. A histogram's samples add `_bucket`, `_sum` and `_count` to this.
    Raises ValueError for a unit whose translation is not known here.
    """
    total = "total" if metric.kind is MetricKind.COUNTER else ""
    return "_".join(filter(None, (metric.name.replace(".", "_"), _unit(metric), total)))


def label_name(attribute: str) -> str:
    """The label that an attribute becomes."""
    return attribute.replace(".", "_")


def render(snapshot: Snapshot, openmetrics: bool, process: bool = False) -> bytes:
    """Every point of the snapshot, in the order of the catalogue, as UTF-8.

    `process` adds what prometheus_client says of this process.
    """
    write: Callable[[Collector], bytes] = openmetrics_latest if openmetrics else generate_latest
    return write(_Collector(snapshot, openmetrics, process))


class _Collector(Collector):
    """Gives one family after the other, so that only one is in memory."""

    def __init__(self, snapshot: Snapshot, openmetrics: bool, process: bool) -> None:
        self._points: dict[str, list[Point]] = {metric.name: [] for metric in CATALOGUE}
        for point in snapshot.points:
            self._points[point.metric.name].append(point)
        self._openmetrics = openmetrics
        self._process = process

    def collect(self) -> Iterable[Family]:
        for metric in CATALOGUE:
            points = self._points[metric.name]
            if points:
                name = metric.name.replace(".", "_")
                family = Family(name, metric.description, metric.kind, _unit(metric))
                family.samples = list(_samples(metric, family.name, points, self._openmetrics))
                yield family
        if self._process:
            yield from PROCESS_COLLECTOR.collect()
            yield from PLATFORM_COLLECTOR.collect()


def _unit(metric: Metric) -> str:
    if metric.unit.startswith("{"):
        return ""
    if metric.unit not in _UNITS or (metric.unit == "1" and metric.kind is not MetricKind.GAUGE):
        raise ValueError(f"{metric.name}: no Prometheus name is known for unit {metric.unit!r}")
    return _UNITS[metric.unit]


def _samples(
    metric: Metric, family: str, points: list[Point], openmetrics: bool
) -> Iterator[Sample]:
    name = prometheus_name(metric)
    bounds = _BOUNDS if openmetrics else _TEXT_BOUNDS
    keys = tuple(label_name(attribute) for attribute in metric.attributes)
    for point in points:
        given = zip(keys, point.attributes, strict=True)
        labels = {key: _writable(str(value)) for key, value in given if value is not None}
        if isinstance(point.value, Histogram):
            for bound, count in zip(bounds, accumulate(point.value.counts), strict=True):
                yield Sample(f"{family}_bucket", {**labels, "le": bound}, count)
            yield Sample(f"{family}_count", labels, point.value.count)
            yield Sample(f"{family}_sum", labels, point.value.sum)
        else:
            yield Sample(name, labels, point.value)
        if openmetrics and point.start_ns:
            yield Sample(f"{family}_created", labels, point.start_ns / 1_000_000_000)


def _writable(value: str) -> str:
    """The value in UTF-8: a lone surrogate becomes U+FFFD, as on the way by OTLP."""
    if value.isascii():
        return value
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

"""Points → the SDK's metric types, in requests of bounded size.

The SDK's own instruments would restamp the start of every counter when the process starts;
built by hand, each point keeps the start that the ledger gave it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import cast

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    HistogramDataPoint,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.metrics.export import Histogram as SdkHistogram
from opentelemetry.sdk.metrics.export import Metric as SdkMetric
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from exporter import __version__
from exporter.board import DURATION_BOUNDS, Histogram
from exporter.catalogue import Kind, Metric
from exporter.snapshot import Point, Snapshot

SCOPE = InstrumentationScope("bytespike-exporter", __version__)

POINTS_PER_REQUEST = 500
"""A request is encoded whole, so this bounds the memory that an export takes."""

_DOUBLE_UNITS = frozenset({"USD", "s", "1"})
_MAX_INT = 2**63 - 1
_MAX_NANOS = 2**64 - 1

_SdkPoint = NumberDataPoint | HistogramDataPoint
_Series = tuple[str, tuple[str | None, ...]]


def text(value: str) -> str:
    """The value as UTF-8 can carry it: a lone surrogate becomes U+FFFD."""
    if value.isascii():
        return value
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def resource_of(attributes: dict[str, str]) -> Resource:
    """The resource with exactly these attributes; nothing is read from the environment."""
    return Resource({text(name): text(value) for name, value in attributes.items()})


def requests_of(
    snapshot: Snapshot, resource: Resource, size: int = POINTS_PER_REQUEST
) -> Iterator[MetricsData]:
    """The snapshot as requests of at most `size` points, each built when it is asked for.

    A series' zero points stand directly before its current point, in the same request; so
    `size` must be at least 2. A value that has no number (NaN, infinite) has no point.
    """
    batch = _Batch(resource)
    for group in _series(snapshot):
        points = [(point.metric, sdk) for point in group if (sdk := _sdk_point(point)) is not None]
        if batch.count and batch.count + len(points) > size:
            yield batch.data()
            batch = _Batch(resource)
        for metric, sdk in points:
            batch.add(metric, sdk)
    if batch.count:
        yield batch.data()


def _series(snapshot: Snapshot) -> Iterator[tuple[Point, ...]]:
    """The points of each series, zero points first."""
    zeros: dict[_Series, tuple[Point, ...]] = {}
    for zero in snapshot.zero_points:
        key = (zero.metric.name, zero.attributes)
        zeros[key] = (*zeros.get(key, ()), zero)
    for point in snapshot.points:
        yield (*zeros.pop((point.metric.name, point.attributes), ()), point) if zeros else (point,)
    yield from zeros.values()


class _Batch:
    """The points of one request, by metric."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._points: dict[str, tuple[Metric, list[_SdkPoint]]] = {}
        self.count = 0

    def add(self, metric: Metric, point: _SdkPoint) -> None:
        known = self._points.get(metric.name)
        if known is None:
            known = self._points[metric.name] = (metric, [])
        known[1].append(point)
        self.count += 1

    def data(self) -> MetricsData:
        metrics = [_sdk_metric(metric, points) for metric, points in self._points.values()]
        scope = ScopeMetrics(SCOPE, metrics, schema_url="")
        return MetricsData([ResourceMetrics(self._resource, [scope], schema_url="")])


def _sdk_metric(metric: Metric, points: list[_SdkPoint]) -> SdkMetric:
    cumulative = AggregationTemporality.CUMULATIVE
    data: Gauge | Sum | SdkHistogram
    if metric.kind is Kind.GAUGE:
        data = Gauge(cast("list[NumberDataPoint]", points))
    elif metric.kind is Kind.COUNTER:
        data = Sum(cast("list[NumberDataPoint]", points), cumulative, is_monotonic=True)
    else:
        data = SdkHistogram(cast("list[HistogramDataPoint]", points), cumulative)
    return SdkMetric(metric.name, metric.description, metric.unit, data)


def _sdk_point(point: Point) -> _SdkPoint | None:
    metric, value = point.metric, point.value
    attributes = {
        name: value if value.isascii() else text(value)
        for name, value in zip(metric.attributes, point.attributes, strict=True)
        if value is not None
    }
    start, time = _nanos(point.start_ns), _nanos(point.time_ns)
    if isinstance(value, Histogram):
        if metric.kind is not Kind.HISTOGRAM:
            return None
        return _histogram_point(value, attributes, start, time)
    number = _number(metric, value)
    return None if number is None else NumberDataPoint(attributes, start, time, number)


def _histogram_point(
    histogram: Histogram, attributes: dict[str, str], start: int, time: int
) -> HistogramDataPoint:
    counts = tuple(histogram.counts)
    return HistogramDataPoint(
        attributes=attributes,
        start_time_unix_nano=start,
        time_unix_nano=time,
        count=sum(counts),
        sum=histogram.sum,
        bucket_counts=counts,
        explicit_bounds=DURATION_BOUNDS,
        min=histogram.min,
        max=histogram.max,
    )


def _number(metric: Metric, value: int | float) -> int | float | None:
    """Doubles for money, seconds and shares, integers for what is counted; None if neither.

    The type hangs on the unit alone, so that a stream never changes from one to the other.
    """
    if metric.kind is Kind.HISTOGRAM or not math.isfinite(value):
        return None
    if metric.unit in _DOUBLE_UNITS:
        return float(value)
    whole = int(value)
    return whole if -_MAX_INT <= whole <= _MAX_INT else max(-_MAX_INT, min(whole, _MAX_INT))


def _nanos(value: int) -> int:
    """An instant that OTLP's unsigned 64 bits can carry."""
    return value if 0 <= value <= _MAX_NANOS else 0 if value < 0 else _MAX_NANOS

"""Points → OTLP's protobuf messages, in requests of bounded size.

The SDK's own instruments would restamp the start of every counter when the process starts; built
by hand, each point keeps the start that the ledger gave it. And the SDK's encoder makes every
attribute of every point anew, which is most of what an export costs: here each pair of name and
value is encoded once, and points are joined from such pairs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as otlp
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from exporter import __version__
from exporter.board import DURATION_BOUNDS, Histogram
from exporter.catalogue import Kind, Metric
from exporter.snapshot import Point, Snapshot

SCOPE = InstrumentationScope(name="bytespike-exporter", version=__version__)

POINTS_PER_REQUEST = 500
"""A request is encoded whole, so this bounds the memory that an export takes."""

_DOUBLE_UNITS = frozenset({"USD", "s", "1"})
_MAX_INT = 2**63 - 1
_MAX_NANOS = 2**64 - 1
_PAIRS = 8192
"""Attributes that are kept encoded: the keys and models of four accounts that are full."""

_Series = tuple[str, tuple[str | None, ...]]


def text(value: str) -> str:
    """The value as UTF-8 can carry it: a lone surrogate becomes U+FFFD."""
    if value.isascii():
        return value
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def resource_of(attributes: dict[str, str]) -> Resource:
    """The resource with exactly these attributes; nothing is read from the environment."""
    return Resource(attributes=[_key_value(*pair) for pair in attributes.items()])


def requests_of(
    snapshot: Snapshot, resource: Resource, size: int = POINTS_PER_REQUEST
) -> Iterator[ExportMetricsServiceRequest]:
    """The snapshot as requests of at most `size` points, each built when it is asked for.

    A series' zero points stand directly before its current point, in the same request; so
    `size` must be at least 2. A value that has no number (NaN, infinite) has no point.
    """
    batch = _Batch(resource)
    for series in _series(snapshot):
        points = [point for point in series if _is_sendable(point)]
        if batch.count and batch.count + len(points) > size:
            yield batch.request
            batch = _Batch(resource)
        for point in points:
            batch.add(point)
    if batch.count:
        yield batch.request


def _series(snapshot: Snapshot) -> Iterator[tuple[Point, ...]]:
    """The points of each series, zero points first."""
    zeros: dict[_Series, tuple[Point, ...]] = {}
    for zero in snapshot.zero_points:
        key = (zero.metric.name, zero.attributes)
        zeros[key] = (*zeros.get(key, ()), zero)
    for point in snapshot.points:
        yield (*zeros.pop((point.metric.name, point.attributes), ()), point) if zeros else (point,)
    yield from zeros.values()


def _is_sendable(point: Point) -> bool:
    """Whether the value is of the metric's kind, and a number."""
    if isinstance(point.value, Histogram):
        return point.metric.kind is Kind.HISTOGRAM
    return point.metric.kind is not Kind.HISTOGRAM and math.isfinite(point.value)


class _Batch:
    """One request as it grows."""

    def __init__(self, resource: Resource) -> None:
        self.request = ExportMetricsServiceRequest()
        self.count = 0
        self._metrics: dict[str, otlp.Metric] = {}
        told = self.request.resource_metrics.add(resource=resource)
        self._scope = told.scope_metrics.add(scope=SCOPE)

    def add(self, point: Point) -> None:
        """Add a point to its metric."""
        metric = self._metrics.get(point.metric.name)
        if metric is None:
            metric = self._metrics[point.metric.name] = self._begin(point.metric)
        if isinstance(point.value, Histogram):
            _fill_histogram(metric.histogram.data_points.add(), point, point.value)
        else:
            data = metric.gauge if point.metric.kind is Kind.GAUGE else metric.sum
            _fill_number(data.data_points.add(), point, point.value)
        self.count += 1

    def _begin(self, metric: Metric) -> otlp.Metric:
        begun = self._scope.metrics.add(
            name=metric.name, description=metric.description, unit=metric.unit
        )
        if metric.kind is Kind.COUNTER:
            begun.sum.is_monotonic = True
            begun.sum.aggregation_temporality = otlp.AGGREGATION_TEMPORALITY_CUMULATIVE
        elif metric.kind is Kind.HISTOGRAM:
            begun.histogram.aggregation_temporality = otlp.AGGREGATION_TEMPORALITY_CUMULATIVE
        return begun


def _fill_number(to: otlp.NumberDataPoint, point: Point, value: int | float) -> None:
    """Doubles for money, seconds and shares, integers for what is counted.

    The type hangs on the unit alone, so that a stream never changes from one to the other.
    """
    pairs = zip(point.metric.attributes, point.attributes, strict=True)
    # Messages that are joined as bytes are merged: repeated fields, such as attributes, add up.
    to.MergeFromString(b"".join([_number_pair(*pair) for pair in pairs]))
    if point.start_ns > 0:
        to.start_time_unix_nano = min(point.start_ns, _MAX_NANOS)
    to.time_unix_nano = _nanos(point.time_ns)
    if point.metric.unit in _DOUBLE_UNITS:
        to.as_double = value
    else:
        to.as_int = max(-_MAX_INT, min(int(value), _MAX_INT))


def _fill_histogram(to: otlp.HistogramDataPoint, point: Point, value: Histogram) -> None:
    pairs = zip(point.metric.attributes, point.attributes, strict=True)
    to.MergeFromString(b"".join([_histogram_pair(*pair) for pair in pairs]))
    to.start_time_unix_nano = _nanos(point.start_ns)
    to.time_unix_nano = _nanos(point.time_ns)
    to.explicit_bounds.extend(DURATION_BOUNDS)
    to.bucket_counts.extend(value.counts)
    to.count = sum(value.counts)
    to.sum, to.min, to.max = value.sum, value.min, value.max


@lru_cache(_PAIRS)
def _number_pair(name: str, value: str | None) -> bytes:
    """A point that has this attribute and nothing else, encoded; empty where there is no value."""
    if value is None:
        return b""
    return otlp.NumberDataPoint(attributes=[_key_value(name, value)]).SerializeToString()


@lru_cache(_PAIRS)
def _histogram_pair(name: str, value: str | None) -> bytes:
    if value is None:
        return b""
    return otlp.HistogramDataPoint(attributes=[_key_value(name, value)]).SerializeToString()


def _key_value(name: str, value: str) -> KeyValue:
    return KeyValue(key=text(name), value=AnyValue(string_value=text(value)))


def _nanos(value: int) -> int:
    """An instant that OTLP's unsigned 64 bits can carry."""
    return max(0, min(value, _MAX_NANOS))

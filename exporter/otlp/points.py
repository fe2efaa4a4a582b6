"""Points → OTLP's protobuf messages, in requests of bounded size.

The SDK's own instruments would restamp the start of every counter when the process starts; built
by hand, each point keeps the start that the ledger gave it. And the SDK's encoder makes every
attribute of every point anew, which is most of what an export costs: here each pair of name and
value is encoded once, and points are joined from such pairs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as otlp
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from exporter import __version__
from exporter.live import DURATION_BOUNDS, Histogram
from exporter.metrics.catalogue import Kind, Metric
from exporter.metrics.snapshot import Point, Snapshot

SCOPE = InstrumentationScope(name="bytespike-exporter", version=__version__)

POINTS_PER_REQUEST = 250
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
        if batch.count and batch.count + len(series) > size:
            yield batch.request
            batch = _Batch(resource)
        for point in series:
            batch.add(point)
    if batch.count:
        yield batch.request


def _series(snapshot: Snapshot) -> Iterator[tuple[Point, ...]]:
    """The points of each series, zero points first, those without a number left out."""
    zeros: dict[_Series, tuple[Point, ...]] = {}
    for zero in filter(_has_number, snapshot.zero_points):
        key = (zero.metric.name, zero.attributes)
        zeros[key] = (*zeros.get(key, ()), zero)
    for point in filter(_has_number, snapshot.points):
        yield (*zeros.pop((point.metric.name, point.attributes), ()), point) if zeros else (point,)
    yield from zeros.values()


def _has_number(point: Point) -> bool:
    """Whether the value is of the metric's kind, and finite."""
    if point.metric.kind is Kind.HISTOGRAM:
        return isinstance(point.value, Histogram)
    return not isinstance(point.value, Histogram) and math.isfinite(point.value)


class _Batch:
    """One request as it grows."""

    def __init__(self, resource: Resource) -> None:
        self.request = ExportMetricsServiceRequest()
        self.count = 0
        self._adders: dict[str, Callable[[Point], None]] = {}
        told = self.request.resource_metrics.add(resource=resource)
        self._metrics = told.scope_metrics.add(scope=SCOPE).metrics

    def add(self, point: Point) -> None:
        """Add a point to its metric."""
        add = self._adders.get(point.metric.name)
        if add is None:
            add = self._adders[point.metric.name] = self._begin(point.metric)
        add(point)
        self.count += 1

    def _begin(self, metric: Metric) -> Callable[[Point], None]:
        """Begin a metric; gives what adds its points."""
        begun = self._metrics.add(
            name=metric.name, description=metric.description, unit=metric.unit
        )
        if metric.kind is Kind.GAUGE:
            return _Numbers(metric, begun.gauge).add
        cumulative = otlp.AGGREGATION_TEMPORALITY_CUMULATIVE
        if metric.kind is Kind.COUNTER:
            begun.sum.is_monotonic = True
            begun.sum.aggregation_temporality = cumulative
            return _Numbers(metric, begun.sum).add
        begun.histogram.aggregation_temporality = cumulative
        return _Histograms(metric, begun.histogram).add


class _Numbers:
    """Adds points to a gauge or a counter.

    Doubles for money, seconds and shares, integers for what is counted: the type hangs on the
    unit alone, so that a stream never changes from one to the other.
    """

    def __init__(self, metric: Metric, to: otlp.Gauge | otlp.Sum) -> None:
        self._names = metric.attributes
        self._double = metric.unit in _DOUBLE_UNITS
        self._to = to.data_points

    def add(self, point: Point) -> None:
        """Add one point."""
        value = point.value
        assert not isinstance(value, Histogram)
        added = self._to.add()
        # Messages joined as bytes are merged: repeated fields, such as attributes, add up.
        added.MergeFromString(b"".join(map(_number_pair, self._names, point.attributes)))
        if point.start_ns > 0:
            added.start_time_unix_nano = _nanos(point.start_ns)
        added.time_unix_nano = _nanos(point.time_ns)
        if self._double:
            added.as_double = value
        else:
            added.as_int = max(-_MAX_INT, min(int(value), _MAX_INT))


class _Histograms:
    """Adds points to a histogram."""

    def __init__(self, metric: Metric, to: otlp.Histogram) -> None:
        self._names = metric.attributes
        self._to = to.data_points

    def add(self, point: Point) -> None:
        """Add one point."""
        value = point.value
        assert isinstance(value, Histogram)
        added = self._to.add()
        added.MergeFromString(b"".join(map(_histogram_pair, self._names, point.attributes)))
        added.start_time_unix_nano = _nanos(point.start_ns)
        added.time_unix_nano = _nanos(point.time_ns)
        added.explicit_bounds.extend(DURATION_BOUNDS)
        added.bucket_counts.extend(value.counts)
        added.count = sum(value.counts)
        added.sum, added.min, added.max = value.sum, value.min, value.max


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
    return value if 0 <= value <= _MAX_NANOS else 0 if value < 0 else _MAX_NANOS

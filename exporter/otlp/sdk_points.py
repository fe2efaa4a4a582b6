"""Points → the SDK's public types → requests of bounded size, made by the official encoder.

The SDK's own instruments would restamp the start of every counter when the process starts; made
of its types, each point keeps the start that the ledger gave it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import chain, islice

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.sdk.metrics import export as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from exporter import __version__
from exporter.live import DURATION_BOUNDS, Histogram
from exporter.metrics.catalogue import Metric, MetricKind
from exporter.metrics.snapshot import Point, Snapshot

SCOPE = InstrumentationScope(name="bytespike-exporter", version=__version__)

POINTS_PER_REQUEST = 250
"""A request is encoded whole, so this bounds the memory that an export takes."""

_CUMULATIVE = sdk.AggregationTemporality.CUMULATIVE
_DOUBLE_UNITS = frozenset({"USD", "s", "1"})
"""Doubles for money, seconds and shares, integers for what is counted: the type hangs on the unit
alone, so that a stream never changes from one to the other."""

_MAX_INT = 2**63 - 1
_MAX_NANOS = 2**64 - 1


def resource_of(attributes: dict[str, str]) -> Resource:
    """The resource with exactly these attributes; nothing is read from the environment."""
    return Resource({_clean(name): _clean(value) for name, value in attributes.items()})


def requests_of(
    snapshot: Snapshot, resource: Resource, size: int = POINTS_PER_REQUEST
) -> Iterator[ExportMetricsServiceRequest]:
    """The snapshot as requests of at most `size` points, each built when it is asked for.

    All zero points come before all values. A value that has no number (NaN, infinite) has no
    point.
    """
    points = filter(_has_number, chain(snapshot.zero_points, snapshot.points))
    while batch := list(islice(points, size)):
        scope = sdk.ScopeMetrics(SCOPE, _metrics(batch), schema_url="")
        yield encode_metrics(sdk.MetricsData([sdk.ResourceMetrics(resource, [scope], "")]))


def _has_number(point: Point) -> bool:
    """Whether the value is of the metric's kind, and finite."""
    if point.metric.kind is MetricKind.HISTOGRAM:
        return isinstance(point.value, Histogram)
    return not isinstance(point.value, Histogram) and math.isfinite(point.value)


def _metrics(points: Iterable[Point]) -> list[sdk.Metric]:
    """The points by metric, in the order in which metrics appear first."""
    grouped: dict[str, list[Point]] = {}
    for point in points:
        grouped.setdefault(point.metric.name, []).append(point)
    return [_metric(found[0].metric, found) for found in grouped.values()]


def _metric(metric: Metric, points: list[Point]) -> sdk.Metric:
    data: sdk.Gauge | sdk.Sum | sdk.Histogram
    if metric.kind is MetricKind.HISTOGRAM:
        data = sdk.Histogram([_histogram(point) for point in points], _CUMULATIVE)
    elif metric.kind is MetricKind.COUNTER:
        data = sdk.Sum([_number(point) for point in points], _CUMULATIVE, is_monotonic=True)
    else:
        data = sdk.Gauge([_number(point) for point in points])
    return sdk.Metric(metric.name, metric.description, metric.unit, data)


def _number(point: Point) -> sdk.NumberDataPoint:
    assert not isinstance(point.value, Histogram)
    value: int | float
    if point.metric.unit in _DOUBLE_UNITS:
        value = float(point.value)
    else:
        value = max(-_MAX_INT, min(int(point.value), _MAX_INT))
    start, time = _nanos(point.start_ns), _nanos(point.time_ns)
    return sdk.NumberDataPoint(_attributes(point), start, time, value)


def _histogram(point: Point) -> sdk.HistogramDataPoint:
    value = point.value
    assert isinstance(value, Histogram)
    return sdk.HistogramDataPoint(
        attributes=_attributes(point),
        start_time_unix_nano=_nanos(point.start_ns),
        time_unix_nano=_nanos(point.time_ns),
        count=value.count,
        sum=value.sum,
        bucket_counts=value.counts,
        explicit_bounds=DURATION_BOUNDS,
        min=value.min,
        max=value.max,
    )


def _attributes(point: Point) -> dict[str, str]:
    """The attributes that are known, by name."""
    pairs = zip(point.metric.attributes, point.attributes, strict=True)
    return {name: _clean(value) for name, value in pairs if value is not None}


def _clean(text: str) -> str:
    """The text as UTF-8 can carry it: a lone surrogate becomes U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _nanos(value: int) -> int:
    """An instant that OTLP's unsigned 64 bits can carry."""
    return min(max(value, 0), _MAX_NANOS)

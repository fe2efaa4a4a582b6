"""Sends a whole snapshot: points → the SDK's public types → requests of bounded size.

The SDK's own instruments would restamp the start of every counter when the process starts; made
of its types, each point keeps the start that the ledger gave it. The official encoder makes the
requests, which are sent within `otlp.timeout`.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Protocol

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.sdk.metrics import export as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from exporter import __version__, threads
from exporter.config import types as config
from exporter.metrics.metric import Metric, MetricKind
from exporter.metrics.snapshot import Point, Snapshot
from exporter.otlp.receiver import ExportResult, Receiver, failure, partial, success
from exporter.status import DURATION_BOUNDS, ExportOutcome, Histogram

SCOPE = InstrumentationScope(name="bytespike-exporter", version=__version__)

POINTS_PER_REQUEST = 1000
"""A request is encoded whole, so this bounds the memory that an export takes."""

_CUMULATIVE = sdk.AggregationTemporality.CUMULATIVE
_DOUBLE_UNITS = frozenset({"USD", "s", "1"})
"""Doubles for money, seconds and shares, integers for what is counted: the type hangs on the unit
alone, so that a stream never changes from one to the other."""

_MAX_INT = 2**63 - 1
_MAX_NANOS = 2**64 - 1

_log = logging.getLogger(__name__)


class Sender(Protocol):
    """Carries requests to one receiver."""

    async def send(self, request: ExportMetricsServiceRequest) -> ExportResult:
        """Send one request and judge its answer. Takes as long as the receiver does."""

    async def close(self) -> None:
        """Close the connections. The next request opens new ones."""


class OtlpExporter:
    """Sends snapshots, one at a time. Never raises for what a receiver does."""

    def __init__(
        self,
        otlp: config.Otlp,
        resource: dict[str, str],
        *,
        points_per_request: int = POINTS_PER_REQUEST,
    ) -> None:
        """`resource` is the whole resource, `service.*` included."""
        self._timeout = otlp.timeout
        self._resource = resource_of(resource)
        self._size = points_per_request
        headers = {name: value.reveal() for name, value in otlp.headers.items()}
        self._receiver = Receiver(otlp.endpoint, headers)
        self._sender = _sender(otlp, self._receiver)
        self._closed = False
        self._warning: str | None = None

    async def export(self, snapshot: Snapshot) -> ExportResult:
        """Send all points. Success only if every one was accepted.

        Ends at the first request that fails for a reason other than its points, and after
        `otlp.timeout` seconds. Nothing is tried again, whatever `Retry-After` says: the totals
        are cumulative, so the next export says everything.
        """
        if self._closed:
            return failure("the export was given up: the exporter is stopping")
        results: list[ExportResult] = []
        try:
            async with asyncio.timeout(self._timeout):
                result = await self._send(snapshot, results)
        except TimeoutError:
            await self._sender.close()
            result = failure(
                f"not every point was sent within {self._timeout:g} s: the receiver is slow for "
                "so many, raise otlp.timeout"
                if results
                else f"no answer from {self._receiver.shown} within {self._timeout:g} s"
            )
        except Exception as error:  # a fault here or in the SDK must not end the loop of exports
            result = failure(f"the OTLP exporter failed: {type(error).__name__}")
        if result.warning and result.warning != self._warning:  # it warns with every answer
            _log.warning("the OTLP receiver took every point and says: %s", result.warning)
        self._warning = result.warning
        return result

    async def close(self) -> None:
        """Close the connections and let nothing further be sent."""
        self._closed = True
        await self._sender.close()

    async def _send(self, snapshot: Snapshot, results: list[ExportResult]) -> ExportResult:
        """Send every request, and note its result in `results` at once."""
        requests = requests_of(snapshot, self._resource, self._size)
        # Encoding takes 40 µs a point, which nothing else in the event loop should wait for.
        while (request := await threads.call(lambda: next(requests, None))) is not None:
            result = await self._sender.send(request)
            results.append(result)
            if result.outcome is ExportOutcome.FAILURE and not result.data_refused:
                return result
        return _together(results)


def _sender(otlp: config.Otlp, receiver: Receiver) -> Sender:
    if otlp.protocol is config.Protocol.GRPC:
        from exporter.otlp.grpc import GrpcSender  # noqa: PLC0415 (20 MiB, only where chosen)

        return GrpcSender(otlp, receiver)
    from exporter.otlp.http import HttpSender  # noqa: PLC0415 (not needed by gRPC)

    return HttpSender(otlp, receiver)


def _together(results: list[ExportResult]) -> ExportResult:
    """The result of an export whose requests were all answered."""
    refusals = [result for result in results if result.data_refused]
    if not refusals:
        return success(next((result.warning for result in results if result.warning), None))
    error = refusals[0].error or ""
    if len(results) > 1:
        error += f" ({len(refusals)} of {len(results)} requests met refusal)"
    if all(result.outcome is ExportOutcome.FAILURE for result in results):
        return failure(error, data_refused=True)
    return partial(error)


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

"""What a receiver was sent, by series: the metric's name and all attributes in one text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from opentelemetry.proto.metrics.v1.metrics_pb2 import NumberDataPoint

from tests.otlp.receivers import Received


def points(received: Sequence[Received], prefix: str) -> Iterator[tuple[str, NumberDataPoint]]:
    """Every point of metrics whose name begins so, in the order of arrival."""
    for one in received:
        for resource in one.request.resource_metrics:
            for metric in resource.scope_metrics[0].metrics:
                if metric.name.startswith(prefix):
                    data = metric.sum if metric.HasField("sum") else metric.gauge
                    for point in data.data_points:
                        attributes = sorted((a.key, a.value.string_value) for a in point.attributes)
                        yield f"{metric.name}{attributes}", point


def values(received: Sequence[Received], name: str) -> dict[str, float]:
    """The newest value of each series, of a metric in USD or seconds."""
    return {series: point.as_double for series, point in points(received, name)}


def starts(received: Sequence[Received], prefix: str) -> dict[str, set[int]]:
    """Every start time (Unix ns) that a series came with."""
    found: dict[str, set[int]] = {}
    for series, point in points(received, prefix):
        found.setdefault(series, set()).add(point.start_time_unix_nano)
    return found


def zero_points(received: Sequence[Received], name: str) -> set[str]:
    """The series that came with a zero point."""
    return {
        series
        for series, point in points(received, name)
        if point.start_time_unix_nano == point.time_unix_nano
    }


def instances(received: Sequence[Received]) -> set[str]:
    """Every `service.instance.id`."""
    return {
        attribute.value.string_value
        for one in received
        for resource in one.request.resource_metrics
        for attribute in resource.resource.attributes
        if attribute.key == "service.instance.id"
    }

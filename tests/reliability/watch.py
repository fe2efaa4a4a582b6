"""Looks at every export as a receiver would: nothing falls, no start moves, one instance."""

from __future__ import annotations

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, NumberDataPoint

Series = tuple[tuple[str, str], ...]
"""Attributes of a series, sorted."""

MICRO = 1_000_000
"""Micro-USD, which are what the gateway calls credits, in a USD."""

OWN = "bytespike.exporter."
"""How metrics begin whose counters start anew with each process."""


class Watch:
    """Takes requests in the order in which they arrive; `wrong` says what must not be.

    `values` holds the newest point of every series; `latest` only what the last export said.
    """

    def __init__(self) -> None:
        self.exports = 0
        self.points = 0
        self.wrong: list[str] = []
        self.instances: set[str] = set()
        self.values: dict[str, dict[Series, float]] = {}
        self._starts: dict[tuple[str, Series], int] = {}

    def take(self, request: ExportMetricsServiceRequest) -> None:
        """Look at one request."""
        self.exports += 1
        for resource in request.resource_metrics:
            attributes = {a.key: a.value.string_value for a in resource.resource.attributes}
            self.instances.add(attributes["service.instance.id"])
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    self._look(metric)
        if len(self.instances) > 1:
            self.wrong.append(f"{len(self.instances)} instances")

    def _look(self, metric: Metric) -> None:
        for point in metric.gauge.data_points:
            self._keep(metric.name, series_of(point), number(point))
        for point in metric.sum.data_points:
            series = series_of(point)
            if not metric.name.startswith(OWN):
                self._judge(metric.name, series, point)
            self._keep(metric.name, series, number(point))

    def _judge(self, name: str, series: Series, point: NumberDataPoint) -> None:
        what = f"{name}{dict(series)}"
        before = self.values.get(name, {}).get(series)
        value, start, time = number(point), point.start_time_unix_nano, point.time_unix_nano
        if not start or start > time:
            self.wrong.append(f"{what} starts at {start}, after its time {time}")
        if start != self._starts.setdefault((name, series), start):
            self.wrong.append(f"{what} has moved its start")
        if before is not None and value < before:
            zero = " with a zero point" if time == start and value == 0 else ""
            self.wrong.append(f"{what} fell from {before} to {value}{zero}")

    def _keep(self, name: str, series: Series, value: float) -> None:
        self.points += 1
        self.values.setdefault(name, {})[series] = value

    def total(self, name: str) -> float:
        """The sum over the newest points of a metric."""
        return sum(self.values.get(name, {}).values())


def series_of(point: NumberDataPoint) -> Series:
    """The attributes of a point, sorted."""
    return tuple(sorted((a.key, a.value.string_value) for a in point.attributes))


def number(point: NumberDataPoint) -> float:
    """Its value."""
    return point.as_double if point.HasField("as_double") else float(point.as_int)

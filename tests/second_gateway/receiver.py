"""An OTLP receiver in memory: every series that was sent, as a database would have it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, NumberDataPoint

Attributes = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Series:
    instance: str
    name: str
    attributes: Attributes

    def __getitem__(self, attribute: str) -> str:
        return dict(self.attributes)[attribute]


@dataclass(frozen=True, slots=True)
class Sample:
    at: float
    start: float
    value: float


@dataclass(slots=True)
class Receiver:
    """`samples` of each series, in the order of their times."""

    samples: dict[Series, list[Sample]] = field(default_factory=dict)
    instances: list[str] = field(default_factory=list)

    def take(self, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer to one request."""
        sent = ExportMetricsServiceRequest.FromString(body)
        for resource_metrics in sent.resource_metrics:
            said = {one.key: one.value.string_value for one in resource_metrics.resource.attributes}
            instance = said.get("service.instance.id", "")
            if instance not in self.instances:
                self.instances.append(instance)
            for scope in resource_metrics.scope_metrics:
                for metric in scope.metrics:
                    self._take(instance, metric)
        return 200, ExportMetricsServiceResponse().SerializeToString()

    def _take(self, instance: str, metric: Metric) -> None:
        for point in (*metric.gauge.data_points, *metric.sum.data_points):
            series = Series(instance, metric.name, _attributes(point))
            value = point.as_double if point.HasField("as_double") else float(point.as_int)
            start = point.start_time_unix_nano / 1e9
            sample = Sample(point.time_unix_nano / 1e9, start, value)
            self.samples.setdefault(series, []).append(sample)

    def series(self, name: str, **attributes: str) -> Iterator[tuple[Series, list[Sample]]]:
        """Those of a metric. An attribute is named by its last word or words: `key_id`."""
        for series, samples in self.samples.items():
            if series.name != f"bytespike.{name}":
                continue
            said = {key.replace(".", "_"): value for key, value in series.attributes}
            if all(
                any(key.endswith(word) and value == wanted for key, value in said.items())
                for word, wanted in attributes.items()
            ):
                yield series, samples

    def increase(self, name: str, **attributes: str) -> float:
        """What PromQL's `increase` over all time says: what falls is taken for a reset."""
        total = 0.0
        for _, samples in self.series(name, **attributes):
            for before, after in pairwise(samples):
                fell = after.value < before.value
                total += after.value if fell else after.value - before.value
        return total


def _attributes(point: NumberDataPoint) -> Attributes:
    return frozenset(
        (one.key, one.value.string_value or str(one.value.int_value)) for one in point.attributes
    )

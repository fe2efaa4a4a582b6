"""What reaches an OpenTelemetry Collector, over either protocol."""

from __future__ import annotations

import time
from itertools import pairwise
from uuid import UUID

import pytest

from exporter import __version__
from exporter.metrics.catalogue import CATALOGUE
from exporter.metrics.metric import MetricKind
from tests.e2e import streams
from tests.e2e.scene import Scene
from tests.e2e.waiting import eventually
from tests.peers.collector import Collector

KINDS = {MetricKind.GAUGE: "gauge", MetricKind.COUNTER: "sum", MetricKind.HISTOGRAM: "histogram"}


@pytest.mark.parametrize("compression", ["gzip", "none"])
@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_collector_receives_every_stream_whole(
    scene: Scene, collector: Collector, protocol: str, compression: str
) -> None:
    gateway = scene.gateway()
    endpoint = collector.grpc if protocol == "grpc" else collector.http
    otlp = {"protocol": protocol, "compression": compression}
    scene.daemon(gateway, endpoint, otlp=otlp)
    before_ns = time.time_ns()
    gateway.bill(3, credits=12_345)
    gateway.post("topup", usd=20)
    after_ns = time.time_ns()

    def arrived() -> None:
        received = streams.counted(collector.points())
        newest = {(name, points[-1].value) for (name, _), points in received.items()}
        assert ("bytespike.usage.cost", 0.037035) in newest
        assert ("bytespike.billing.amount", 20.0) in newest

    eventually(arrived)
    points = collector.points()
    catalogue = {metric.name: metric for metric in CATALOGUE}
    for point in points:
        metric = catalogue[point.name]
        assert (point.unit, point.kind) == (metric.unit, KINDS[metric.kind])
        assert set(point.attributes) <= set(metric.attributes)
        assert (point.start_ns == 0) == (metric.kind is MetricKind.GAUGE)
        assert point.resource == points[0].resource
    resource = points[0].resource
    assert resource.keys() == {"service.name", "service.version", "service.instance.id"}
    assert resource["service.name"] == "bytespike-exporter"
    assert resource["service.version"] == __version__
    assert UUID(resource["service.instance.id"])
    for (name, _), stream in streams.counted(points).items():
        zero, first = stream[:2]
        assert (zero.value, zero.time_ns) == (0, zero.start_ns), name
        assert zero.start_ns <= after_ns, name
        assert before_ns < first.time_ns, name
        assert {point.start_ns for point in stream} == {zero.start_ns}, name
        assert all(a.value <= b.value and a.time_ns < b.time_ns for a, b in pairwise(stream)), name

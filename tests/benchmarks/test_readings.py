"""What benchmarks read of a process, a machine and an export."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from benchmarks.machine import processor
from benchmarks.many import Polls, polls_of
from benchmarks.processes import Memory, read_cpu, read_memory
from benchmarks.sink import Series, Sink
from exporter.metrics.snapshot import Point, Snapshot
from exporter.otlp.exporter import requests_of, resource_of
from tests.otlp import samples


def exported(*points: Point) -> bytes:
    [request] = requests_of(Snapshot(samples.NOW, points), resource_of(samples.RESOURCE))
    assert isinstance(request, ExportMetricsServiceRequest)
    return request.SerializeToString()


def test_memory_is_read_in_mib_from_the_words_of_the_kernel() -> None:
    status = "Name:\tpython\nVmHWM:\t    3072 kB\nVmRSS:\t    2048 kB\nThreads:\t1\n"
    assert read_memory(status) == Memory(now=2.0, peak=3.0)


def test_processor_time_is_found_behind_a_name_with_spaces_and_parentheses() -> None:
    stat = "7 (a (strange) name) S " + " ".join(str(number) for number in range(4, 53))
    assert read_cpu(stat) == pytest.approx((14 + 15) / os.sysconf("SC_CLK_TCK"))


def test_a_process_can_read_its_own() -> None:
    assert read_memory(Path("/proc/self/status").read_text()).now > 1.0
    assert read_cpu(Path("/proc/self/stat").read_text()) > 0.0


def test_the_processor_is_named() -> None:
    assert processor("processor\t: 0\nmodel name\t: A CPU @ 2 GHz\n") == "A CPU @ 2 GHz"


def test_a_sink_keeps_the_newest_value_of_every_series() -> None:
    sink = Sink()
    sink.take(exported(samples.cost(1.0, "a"), samples.cost(2.0, "b"), samples.tokens(7)))
    sink.take(exported(samples.cost(1.5, "a")))
    assert sink.total("bytespike.usage.cost") == 3.5
    assert sink.total("bytespike.usage.tokens") == 7.0
    assert sink.values("bytespike.unheard.of") == {}
    assert sink.series() == 3
    assert len(sink.arrivals) == 2


def polls(*told: tuple[str, str, float, float]) -> Polls:
    """What an export tells of `(account, endpoint, successes, last success)`."""
    counts: dict[Series, float] = {}
    last: dict[Series, float] = {}
    for account, endpoint, count, at in told:
        series = ("bytespike.account.name", account), ("bytespike.endpoint", endpoint)
        counts[(*series, ("bytespike.outcome", "success"))] = count
        counts[(*series, ("bytespike.outcome", "timeout"))] = 1000.0
        last[series] = at
    return polls_of(counts, last)


def test_the_longest_wait_ignores_transactions_which_are_asked_less_often() -> None:
    seen = polls(("a", "usage", 1, 1000.0), ("b", "usage", 1, 940.0), ("a", "transactions", 1, 7.0))
    assert seen.longest == 60.0


def test_the_interval_is_what_lies_between_successful_polls() -> None:
    before = polls(("a", "usage", 5, 1000.0), ("b", "account", 7, 1010.0))
    after = polls(("a", "usage", 7, 1120.0), ("b", "account", 8, 1076.0))
    assert after.interval_since(before) == 62.0

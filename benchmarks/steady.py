"""The steady state of one account with 1,000 series: memory and processor time."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from benchmarks import floor
from benchmarks.environment import ROOT, base_environ, runtime_python
from benchmarks.gateway import gateway
from benchmarks.processes import Child, Memory, read_memory
from benchmarks.report import Row
from benchmarks.sink import Sink, grpc_sink, http_sink
from benchmarks.subject import Subject, wait_until

_SERIES = 1000
_KEYS, _MODELS = 25, 40
_ROWS = 40_000
"""Of a history in which every pair of key and model was called."""

_MOST_MEMORY = 45.0
_MOST_CPU = 0.003
_SETTLING = 40.0
_USAGE = "bytespike.usage.cost"


class Seen(msgspec.Struct, frozen=True):
    """What was seen of one daemon: memory, share of one core, series of all metrics, exports."""

    memory: Memory
    cpu: float
    series: int
    exports: int


def measure(directory: Path, seconds: float) -> list[Row]:
    """Memory and processor time at the default intervals, over so many seconds; gRPC beside."""
    options = ("--keys", str(_KEYS), "--models", str(_MODELS), "--history", "24h")
    with gateway(directory, *options, "--history-rows", str(_ROWS)) as source:
        with http_sink() as (endpoint, sink):
            subject = Subject(directory / "steady", source, endpoint)
            _count_history(subject, sink)
            seen = _watch(subject, sink, seconds)
            floors = _floor(directory), _floor(directory, source.url, endpoint)
        with grpc_sink() as (endpoint, sink):
            grpc = Subject(directory / "steady", source, endpoint)
            grpc.set(protocol="grpc", export="5s", poll="10s")
            over_grpc = _watch(grpc, sink, 20.0)
    return [*_memory_rows(seen, over_grpc, floors), _cpu_row(seen, seconds)]


def _count_history(subject: Subject, sink: Sink) -> None:
    """Count the history in a process that then ends, so that the state has all series."""
    subject.set(start="-25h")
    with subject.run("--once") as child:
        child.finish(300.0)
    known = len(sink.values(_USAGE))
    assert known == _SERIES, f"{known} series"


def _watch(subject: Subject, sink: Sink, seconds: float) -> Seen:
    with subject.run() as child:
        wait_until(lambda: len(sink.values(_USAGE)) >= _SERIES, child, 60.0)
        time.sleep(_SETTLING)
        child.check()
        began, cpu, arrivals = time.monotonic(), child.cpu(), len(sink.arrivals)
        time.sleep(seconds)
        child.check()
        used = (child.cpu() - cpu) / (time.monotonic() - began)
        return Seen(child.memory(), used, sink.series(), len(sink.arrivals) - arrivals)


def _floor(directory: Path, *used_with: str) -> float:
    """Resident MiB of the libraries alone: imported, or also used."""
    command = [runtime_python(), floor.__file__, *used_with]
    with Child(command, base_environ(ROOT), directory / "log") as child:
        told = child.output.read()
    return read_memory(told).now


def _memory_rows(seen: Seen, over_grpc: Seen, floors: tuple[float, float]) -> list[Row]:
    return [
        Row(
            "resident memory, steady, HTTP export, 1 account, 1,000 series",
            f"≤ {_MOST_MEMORY:.0f} MiB",
            f"{seen.memory.now:.1f} MiB",
            seen.memory.now <= _MOST_MEMORY,
            f"A daemon that continues from a state of {_SERIES:,} pairs of key and model, status "
            f"page on and not opened, no https, so no certificates; {seen.series:,} OTLP series in "
            f"all. Its peak was {seen.memory.peak:.1f} MiB.",
        ),
        Row(
            "beside it: httpx, PyYAML, sqlite3, the SDK and its HTTP exporter, only imported",
            "–",
            f"{floors[0]:.1f} MiB",
        ),
        Row(
            "and after each of them was used once",
            "–",
            f"{floors[1]:.1f} MiB",
            note="One request with `httpx.AsyncClient` and one empty export with the SDK's "
            "exporter, in a process that has nothing of ours: httpcore, anyio, `requests` and "
            "the certificates are only loaded then. The exporter loads neither `requests` nor, "
            "without https, certificates.",
        ),
        Row("the same over gRPC", "–", f"{over_grpc.memory.now:.1f} MiB"),
    ]


def _cpu_row(seen: Seen, seconds: float) -> Row:
    return Row(
        "CPU, steady, 1 account, 1,000 series",
        f"≤ {_MOST_CPU:.1%} of one core",
        f"{seen.cpu:.2%}",
        seen.cpu <= _MOST_CPU,
        f"Polls every 60 s, transactions every 5 min, exports every 30 s, 30 calls a minute; over "
        f"{seconds:.0f} s, which held {seen.exports} OTLP requests.",
    )

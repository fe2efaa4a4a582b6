"""The steady state of one account with 1,000 series: memory and processor time."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec

from benchmarks.environment import ROOT, base_environ, runtime_python
from benchmarks.gateway import Gateway, gateway
from benchmarks.processes import Child, Memory, read_memory
from benchmarks.report import Row
from benchmarks.sink import Sink, grpc_sink, http_sink
from benchmarks.subject import Subject, wait_until

_KEYS, _MODELS, _MODELS_OF_1000 = 25, 40, 9
"""1,000 pairs of key and model, of which each is four series, or as many as make 1,000 series."""

_ROWS = 40_000
"""Of a history in which every pair of key and model was called."""

_MOST_MEMORY = 54.0
_MOST_OVER_GRPC = 75.0
_MOST_CPU = 0.004
_SETTLING = 40.0
_USAGE = "bytespike.usage.cost"

_LIBRARIES = (
    "import sqlite3, httpx, msgspec, jinja2, prometheus_client, starlette.applications, uvicorn\n"
    "from opentelemetry.exporter.otlp.proto.common import metrics_encoder\n"
)
"""What is loaded in any case, without a line of the exporter."""

_AUTHORITIES = "import httpx\nhttpx.create_ssl_context(trust_env=False)\n"


class Seen(msgspec.Struct, frozen=True):
    """What was seen of one daemon: memory, share of one core, series of all metrics, exports."""

    memory: Memory
    cpu: float
    series: int
    exports: int


def measure(directory: Path, seconds: float) -> list[Row]:
    """Memory and processor time at the default intervals, over so many seconds; gRPC beside."""
    with _world(directory, _MODELS_OF_1000) as source, http_sink() as (endpoint, sink):
        few = _steady(Subject(directory / "few", source, endpoint), sink, _MODELS_OF_1000, seconds)
    with _world(directory, _MODELS) as source:
        with http_sink() as (endpoint, sink):
            many = _steady(Subject(directory / "many", source, endpoint), sink, _MODELS, seconds)
        with grpc_sink() as (endpoint, sink):
            grpc = Subject(directory / "many", source, endpoint)
            grpc.set(protocol="grpc", export="5s", poll="10s")
            over_grpc = _watch(grpc, sink, _KEYS * _MODELS, 20.0)
    https = _resident(directory, _AUTHORITIES) - _resident(directory, "import httpx\n")
    libraries = _resident(directory, _LIBRARIES)
    return [
        *_memory_rows(few, many, over_grpc),
        Row(
            "what https adds",
            "–",
            f"{https:.1f} MiB",
            note="The certificate authorities, in a process of their own; once for the gateway "
            "and once for the receiver.",
        ),
        Row("the libraries alone, only imported", "–", f"{libraries:.1f} MiB"),
        *_cpu_rows(few, many, seconds),
    ]


def _world(directory: Path, models: int) -> AbstractContextManager[Gateway]:
    """A simulated gateway whose keys have all called all of so many models."""
    options = ("--keys", str(_KEYS), "--models", str(models), "--history", "24h")
    return gateway(directory, *options, "--history-rows", str(_ROWS))


def _steady(subject: Subject, sink: Sink, models: int, seconds: float) -> Seen:
    """Count the history in a process that then ends, and watch one that continues."""
    subject.set(start="-25h")
    with subject.run("--once") as child:
        child.finish(300.0)
    known = len(sink.values(_USAGE))
    assert known == _KEYS * models, f"{known} pairs of key and model"
    return _watch(subject, sink, known, seconds)


def _watch(subject: Subject, sink: Sink, pairs: int, seconds: float) -> Seen:
    with subject.run() as child:
        wait_until(lambda: len(sink.values(_USAGE)) >= pairs, child, 60.0)
        time.sleep(_SETTLING)
        child.check()
        began, cpu, arrivals = time.monotonic(), child.cpu(), len(sink.arrivals)
        time.sleep(seconds)
        child.check()
        used = (child.cpu() - cpu) / (time.monotonic() - began)
        return Seen(child.memory(), used, sink.series(), len(sink.arrivals) - arrivals)


def _resident(directory: Path, code: str) -> float:
    """Resident MiB of a process that runs this code and nothing else."""
    code += "print(open('/proc/self/status').read())"
    with Child([runtime_python(), "-c", code], base_environ(ROOT), directory / "log") as child:
        return read_memory(child.output.read()).now


def _memory_rows(few: Seen, many: Seen, over_grpc: Seen) -> list[Row]:
    return [
        Row(
            "resident memory, steady, HTTP export, 1 account, 1,000 series",
            f"≤ {_MOST_MEMORY:.0f} MiB",
            f"{few.memory.now:.1f} MiB",
            few.memory.now <= _MOST_MEMORY,
            f"A daemon that continues from a state of {_KEYS * _MODELS_OF_1000} pairs of key and "
            f"model, status page on and not opened, no https; "
            f"{few.series:,} OTLP series in all. Its peak was {few.memory.peak:.1f} MiB.",
        ),
        Row(
            "the same with 1,000 pairs of key and model",
            "–",
            f"{many.memory.now:.1f} MiB",
            note=f"{many.series:,} OTLP series in all, where somebody counts series by what they "
            f"are about. Its peak was {many.memory.peak:.1f} MiB.",
        ),
        Row(
            "the same over gRPC",
            f"≤ {_MOST_OVER_GRPC:.0f} MiB",
            f"{over_grpc.memory.now:.1f} MiB",
            over_grpc.memory.now <= _MOST_OVER_GRPC,
        ),
    ]


def _cpu_rows(few: Seen, many: Seen, seconds: float) -> list[Row]:
    return [
        Row(
            "CPU, steady, 1 account, 1,000 series",
            f"≤ {_MOST_CPU:.1%} of one core",
            f"{few.cpu:.2%}",
            few.cpu <= _MOST_CPU,
            f"Polls every 60 s, transactions every 5 min, exports every 30 s, 30 calls a minute; "
            f"over {seconds:.0f} s, which held {few.exports} OTLP requests; {few.series:,} OTLP "
            "series in all.",
        ),
        Row(
            "the same with 1,000 pairs of key and model, CPU",
            "–",
            f"{many.cpu:.2%}",
            note=f"{many.exports} OTLP requests, {many.series:,} OTLP series in all.",
        ),
    ]

"""Whether 1,000 accounts in one process keep their intervals on one core."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from benchmarks.gateway import Gateway, gateway
from benchmarks.processes import Child, Memory
from benchmarks.report import Row
from benchmarks.sink import Series, Sink, http_sink
from benchmarks.subject import Subject, wait_until

_ACCOUNTS = 1000
_INTERVAL = 60.0
_JITTER = 0.1
_ENDPOINTS = 3
_FIRST_ROUND = 240.0
"""Seconds until every endpoint of every account must have been read once."""

_GRACE = 1.0
"""Seconds that a poll itself may take."""

_EXPORTER_CORE, _OTHER_CORE = 0, 1
_LAST_SUCCESS = "bytespike.exporter.last_success.timestamp"


class Seen(msgspec.Struct, frozen=True):
    """Mean seconds between two polls of an account, by endpoint, and what they took.

    `longest`: how far the account that waited longest was behind the newest poll, in seconds.
    """

    intervals: dict[str, float]
    longest: float
    cpu: float
    memory: Memory
    series: int


def measure(directory: Path, seconds: float) -> list[Row]:
    """Watch for so many seconds, once every account was polled."""
    options = ("--keys", "2", "--models", "5", "--history", "10m", "--rate", "30")
    with (
        gateway(directory, *options, core=_OTHER_CORE) as source,
        http_sink() as (endpoint, sink),
    ):
        subject = Subject(directory / "many", source, endpoint)
        subject.accounts = [f"account-{number:04d}" for number in range(_ACCOUNTS)]
        with subject.run(core=_EXPORTER_CORE) as child:
            wait_until(lambda: _polled(sink) == _ENDPOINTS * _ACCOUNTS, child, _FIRST_ROUND)
            time.sleep(_INTERVAL)
            seen = _watch(child, source, sink, seconds)
    return _rows(seen, seconds)


def _polled(sink: Sink) -> int:
    return len(sink.values(_LAST_SUCCESS))


def _watch(child: Child, source: Gateway, sink: Sink, seconds: float) -> Seen:
    began, requests, cpu = time.monotonic(), source.requests(), child.cpu()
    longest = 0.0
    while time.monotonic() < began + seconds:
        time.sleep(5.0)
        child.check()
        longest = max(longest, oldest(sink.values(_LAST_SUCCESS)))
    after, elapsed = source.requests(), time.monotonic() - began
    used = (child.cpu() - cpu) / elapsed
    intervals = {
        endpoint: _ACCOUNTS * elapsed / max(1, after[endpoint] - requests[endpoint])
        for endpoint in ("account", "usage")
    }
    return Seen(intervals, longest, used, child.memory(), sink.series())


def oldest(last_success: Mapping[Series, float]) -> float:
    """Seconds from the oldest to the newest successful poll of account and usage endpoints."""
    seen = [
        at
        for series, at in last_success.items()
        if dict(series)["bytespike.endpoint"] != "transactions"
    ]
    return max(seen) - min(seen)


def _rows(seen: Seen, seconds: float) -> list[Row]:
    allowed = _INTERVAL * (1 + _JITTER) + _GRACE
    mean = max(seen.intervals.values())
    kept = seen.longest <= allowed and mean <= _INTERVAL * 1.02
    return [
        Row(
            "1,000 accounts in one process at 60 s",
            "keeps its intervals on one core",
            f"{mean:.1f} s between polls, {seen.longest:.1f} s at the most",
            kept,
            f"Pinned to one core, gateway on another, over {seconds:.0f} s; {seen.series:,} OTLP "
            f"series in all. Kept means: a mean of {_INTERVAL:.0f} s, and no account waits longer "
            f"than the jitter of 10 % allows.",
        ),
        Row("the same: CPU, of that core", "–", f"{seen.cpu:.0%}"),
        Row("the same: resident memory", "–", f"{seen.memory.now:.0f} MiB"),
    ]

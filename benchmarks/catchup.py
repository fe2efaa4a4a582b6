"""Catching up: how fast against a bare loop over the same pages, and in how much memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from benchmarks import bare
from benchmarks.environment import ROOT, base_environ, runtime_python
from benchmarks.gateway import Gateway, gateway
from benchmarks.processes import Child, Finished
from benchmarks.report import Row, spread
from benchmarks.sink import http_sink
from benchmarks.subject import Subject, wait_until

_ROWS = 20_000
_MANY_ROWS = 1_000_000
_DAYS = 30
_SLOWEST = 0.4
_MOST_CPU = 4.0
_MOST_MEMORY = 64.0
_STILL = ("--no-traffic", "--no-errands")
"""The history is all there is, so that both loops read the same rows."""


def speed(directory: Path, pairs: int) -> list[Row]:
    """`run --once` on an empty state and the bare loop, in turn, each a process of its own."""
    ours: list[Finished] = []
    theirs: list[Finished] = []
    options = ("--history", "24h", "--history-rows", str(_ROWS), *_STILL)
    with gateway(directory, *options) as source:
        for number in range(pairs):
            theirs.append(_bare(directory, source))
            ours.append(_once(directory / f"catchup-{number}", source))
    return _rows(ours, theirs)


def memory(directory: Path) -> list[Row]:
    """The most memory that the daemon has while it catches up a million rows."""
    options = ("--history", f"{_DAYS}d", "--history-rows", str(_MANY_ROWS), *_STILL)
    with gateway(directory, *options) as source, http_sink() as (endpoint, sink):
        subject = Subject(directory / "million", source, endpoint)
        subject.set(start=f"-{_DAYS * 24 + 1}h", export="5s")
        with subject.run() as child:
            wait_until(lambda: sink.total("bytespike.usage.requests") >= _MANY_ROWS, child, 900.0)
            found, cpu = child.memory(), child.cpu()
    return [
        Row(
            "resident memory while catching up 1,000,000 rows",
            f"≤ {_MOST_MEMORY:.0f} MiB",
            f"{found.peak:.1f} MiB at its peak",
            found.peak <= _MOST_MEMORY,
            f"The most that the daemon had resident from its start until the export that told of "
            f"the last of {_MANY_ROWS:,} rows of {_DAYS} days. "
            f"It took {cpu:.0f} s of processor time.",
        )
    ]


def _bare(directory: Path, source: Gateway) -> Finished:
    since = (datetime.now(UTC) - timedelta(hours=25)).strftime("%Y-%m-%dT%H:%M:%SZ")
    command = [runtime_python(), bare.__file__, source.url, source.api_key, since, str(_ROWS)]
    with Child(command, base_environ(ROOT), directory / "bare.log") as child:
        return child.finish(120.0)


def _once(directory: Path, source: Gateway) -> Finished:
    subject = Subject(directory, source, endpoint="")
    subject.set(start="-25h")
    with subject.run("--once") as child:
        finished = child.finish(120.0)
    counted = subject.counted()
    assert counted == _ROWS, f"{counted} rows were counted"
    return finished


def _rows(ours: list[Finished], theirs: list[Finished]) -> list[Row]:
    speeds = [bare.wall / own.wall for own, bare in zip(ours, theirs, strict=True)]
    cpus = [own.cpu / bare.cpu for own, bare in zip(ours, theirs, strict=True)]
    note = (
        f"`run --once` on an empty state, its start and its other polls included, "
        f"against a bare loop of httpx and `json.loads`; medians of {len(ours)} pairs of processes "
        f"in turn. Here {spread([own.wall for own in ours], 's')} against "
        f"{spread([bare.wall for bare in theirs], 's')}, processor time "
        f"{spread([own.cpu for own in ours], 's')} against "
        f"{spread([bare.cpu for bare in theirs], 's')}."
    )
    what = f"catching up {_ROWS:,} usage rows, pages of 200, HTTP to committed ledger"
    return [
        Row(
            f"{what}: speed",
            f"≥ {_SLOWEST} ×",
            spread(speeds, "×"),
            median(speeds) >= _SLOWEST,
            note,
        ),
        Row(f"{what}: CPU", f"≤ {_MOST_CPU:.0f} ×", spread(cpus, "×"), median(cpus) <= _MOST_CPU),
    ]

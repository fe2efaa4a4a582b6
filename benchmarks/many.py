"""Whether 1,000 accounts in one process keep their intervals on one core, scraped or not."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks.gateway import gateway
from benchmarks.processes import Child, Memory
from benchmarks.report import Row
from benchmarks.sink import Series, Sink, http_sink
from benchmarks.subject import Subject, free_port, wait_until

_ACCOUNTS = 1000
_INTERVAL = 60.0
_JITTER = 0.1
_ENDPOINTS = 3
_FIRST_ROUND = 240.0
"""Seconds until every endpoint of every account must have been read once."""

_GRACE = 1.0
"""Seconds that a poll itself may take."""

_MOST_CPU = 0.35
_SCRAPE_EVERY = 15.0
_EXPORTER_CORE, _OTHER_CORE = 0, 1
_LOOK_EVERY = 10.0
_QUIET = 2.0
"""Seconds without a request after which an export is over."""

_POLLS = "bytespike.exporter.polls"
_LAST_SUCCESS = "bytespike.exporter.last_success.timestamp"


class Polls(msgspec.Struct, frozen=True):
    """The account and usage polls that one export tells: how many succeeded, and when last."""

    count: dict[Series, float]
    last: dict[Series, float]

    @property
    def longest(self) -> float:
        """How far the one that was asked longest ago is behind the newest, in seconds."""
        return max(self.last.values()) - min(self.last.values())

    def interval_since(self, before: Polls) -> float:
        """Mean seconds between two polls of an endpoint of an account, since an earlier export."""
        polls = sum(self.count.values()) - sum(before.count.values())
        return (sum(self.last.values()) - sum(before.last.values())) / polls


class Scrape(msgspec.Struct, frozen=True):
    """One answer of `/metrics`: seconds, bytes as sent, content coding."""

    seconds: float
    size: int
    coding: str


class Seen(msgspec.Struct, frozen=True):
    """How often accounts were polled, in seconds, and what that took."""

    interval: float
    longest: float
    cpu: float
    memory: Memory
    series: int


def measure(directory: Path, seconds: float) -> list[Row]:
    """Watch for so many seconds, once every account was polled; then as long with scrapes."""
    options = ("--keys", "2", "--models", "5", "--history", "10m", "--rate", "30")
    port = free_port()
    with (
        gateway(directory, *options, core=_OTHER_CORE) as source,
        http_sink() as (endpoint, sink),
    ):
        subject = Subject(directory / "many", source, endpoint)
        subject.accounts = [f"account-{number:04d}" for number in range(_ACCOUNTS)]
        subject.set(listen=f"127.0.0.1:{port}")
        with subject.run(core=_EXPORTER_CORE) as child:
            wait_until(lambda: _polled(sink) == _ENDPOINTS * _ACCOUNTS, child, _FIRST_ROUND)
            time.sleep(_INTERVAL)
            alone = _watch(child, sink, seconds)
            with scraping(f"http://127.0.0.1:{port}/metrics") as scrapes:
                scraped = _watch(child, sink, seconds)
    return [*_rows(alone, seconds), _scraped_row(scraped, scrapes)]


@contextmanager
def scraping(url: str) -> Iterator[list[Scrape]]:
    """Read the URL as Prometheus does, gzip allowed, all the while that the block runs."""
    scrapes: list[Scrape] = []
    over = threading.Event()
    request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})  # noqa: S310

    def scrape() -> None:
        while not over.wait(_SCRAPE_EVERY):
            began = time.monotonic()
            with urllib.request.urlopen(request, timeout=60.0) as answer:  # noqa: S310
                body = answer.read()
                coding = answer.headers.get("Content-Encoding", "identity")
            scrapes.append(Scrape(time.monotonic() - began, len(body), coding))

    thread = threading.Thread(target=scrape, daemon=True)
    thread.start()
    try:
        yield scrapes
    finally:
        over.set()
        thread.join()


def _polled(sink: Sink) -> int:
    return len(sink.values(_LAST_SUCCESS))


def _watch(child: Child, sink: Sink, seconds: float) -> Seen:
    first = _read(child, sink)
    began, cpu = time.monotonic(), child.cpu()
    longest = first.longest
    while time.monotonic() < began + seconds:
        time.sleep(_LOOK_EVERY)
        last = _read(child, sink)
        longest = max(longest, last.longest)
    used = (child.cpu() - cpu) / (time.monotonic() - began)
    return Seen(last.interval_since(first), longest, used, child.memory(), sink.series())


def _read(child: Child, sink: Sink) -> Polls:
    """What the newest export tells, once all of its requests have arrived."""
    wait_until(lambda: time.monotonic() - sink.arrivals[-1] > _QUIET, child, _INTERVAL)
    return polls_of(sink.values(_POLLS), sink.values(_LAST_SUCCESS))


def polls_of(polls: Mapping[Series, float], last_success: Mapping[Series, float]) -> Polls:
    """The polls that are asked every minute: those of transactions are rarer."""
    return Polls(
        {series: count for series, count in polls.items() if _is_counted(dict(series))},
        {series: at for series, at in last_success.items() if _is_counted(dict(series))},
    )


def _is_counted(attributes: Mapping[str, str]) -> bool:
    outcome = attributes.get("bytespike.outcome", "success")
    return attributes["bytespike.endpoint"] != "transactions" and outcome == "success"


def _kept(seen: Seen) -> bool:
    allowed = _INTERVAL * (1 + _JITTER) + _GRACE
    return seen.longest <= allowed and seen.interval <= _INTERVAL + _GRACE


def _rows(seen: Seen, seconds: float) -> list[Row]:
    return [
        Row(
            "1,000 accounts in one process at 60 s",
            "keeps its intervals on one core",
            f"{seen.interval:.1f} s between polls, {seen.longest:.1f} s at the most",
            _kept(seen),
            f"Pinned to one core, gateway on another, over {seconds:.0f} s; {seen.series:,} OTLP "
            f"series in all. Kept means: on the mean {_INTERVAL:.0f} s, and nowhere longer than "
            f"the jitter of 10 % allows, each with {_GRACE:.0f} s for the poll itself.",
        ),
        Row(
            "the same: CPU, of that core",
            f"≤ {_MOST_CPU:.0%}",
            f"{seen.cpu:.0%}",
            seen.cpu <= _MOST_CPU,
        ),
        Row("the same: resident memory", "–", f"{seen.memory.now:.0f} MiB"),
    ]


def _scraped_row(seen: Seen, scrapes: list[Scrape]) -> Row:
    slowest = max(scrape.seconds for scrape in scrapes)
    largest = max(scrape.size for scrape in scrapes) / 1e6
    zipped = all(scrape.coding == "gzip" for scrape in scrapes)
    return Row(
        f"the same, `/metrics` read every {_SCRAPE_EVERY:.0f} s",
        "keeps its intervals; gzip",
        f"{seen.interval:.1f} s between polls, {seen.longest:.1f} s at the most",
        _kept(seen) and zipped,
        f"{len(scrapes)} answers of at most {largest:.1f} MB {'in gzip' if zipped else 'as text'}, "
        f"each in {slowest:.1f} s at the most; {seen.cpu:.0%} of that core.",
    )

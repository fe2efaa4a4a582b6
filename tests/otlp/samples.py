"""Points and snapshots to export."""

from __future__ import annotations

from exporter.metrics import catalogue
from exporter.metrics.snapshot import Point, Snapshot
from exporter.status import Histogram

START = 1_779_000_000_000_000_000
NOW = START + 60_000_000_000
SERIES = ("prod", "sk-byts-…9f3c", "prod-vision", "claude-sonnet-4-6")

RESOURCE = {"service.name": "bytespike-exporter", "service.instance.id": "an-instance"}


def balance(usd: float = 31.4, account: str | None = "prod") -> Point:
    return Point(catalogue.WALLET_BALANCE, (account,), usd, NOW)


def cost(usd: float = 0.00912, model: str = "claude-sonnet-4-6") -> Point:
    return Point(catalogue.USAGE_COST, (*SERIES[:3], model), usd, NOW, START)


def tokens(count: int = 1820) -> Point:
    return Point(catalogue.USAGE_TOKENS, (*SERIES, "input"), count, NOW, START)


def zero(point: Point) -> Point:
    return Point(point.metric, point.attributes, 0, START, START)


def duration(*seconds: float) -> Point:
    histogram = Histogram()
    for one in seconds:
        histogram.record(one)
    return Point(catalogue.POLL_DURATION, ("prod", "usage"), histogram, NOW, START)


def snapshot(*points: Point, zeros: tuple[Point, ...] = ()) -> Snapshot:
    return Snapshot(NOW, points or (balance(),), zeros)


def many(count: int) -> Snapshot:
    """A snapshot of `count` cost series."""
    return snapshot(*(cost(float(number), f"model-{number}") for number in range(count)))

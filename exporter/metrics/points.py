"""The types of a snapshot, and the draft into which one is taken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from exporter.ledger.totals import BillingTotal, UsageTotal
from exporter.metrics.metric import Metric
from exporter.money import to_usd
from exporter.status import Histogram

_MILLISECOND_NS = 1_000_000
"""The resolution of most receivers: two points of one series stand at least this far apart."""

_SAME_INSTANT_NS = 1_000_000_000
"""A start at most this far ahead of the clock is rounding or a clock step, and counts as now."""


Attributes: TypeAlias = tuple[str | None, ...]
"""Values in the order of a metric's attributes; None where one is left out."""


class Point(msgspec.Struct, frozen=True, gc=False):
    """One point of one series.

    `attributes` are values in the order of `metric.attributes`; None where the attribute is
    left out. `value` is in the metric's unit; a `Histogram` where the metric is one. Instants
    are Unix ns; `start_ns` is 0 for gauges, and never after `time_ns`.
    """

    metric: Metric
    attributes: Attributes
    value: int | float | Histogram
    time_ns: int
    start_ns: int = 0


class Snapshot(msgspec.Struct, frozen=True):
    """Every point at one instant.

    `zero_points` are value 0 at the start of series that no receiver has seen yet;
    `fresh_usage` and `fresh_billing` are the ledger ids of those series, `fresh_caches` of those
    whose tokens of caches are new: a row can tell them while the others' zero points are sent.
    """

    time_ns: int
    points: tuple[Point, ...]
    zero_points: tuple[Point, ...] = ()
    fresh_usage: tuple[int, ...] = ()
    fresh_billing: tuple[int, ...] = ()
    fresh_caches: tuple[int, ...] = ()


class Stream(msgspec.Struct, frozen=True, gc=False):
    """When a cumulative series started and when its point stands (Unix ns).

    `fresh`: no receiver has seen the series, so its points are preceded by zero points.
    """

    start_ns: int
    time_ns: int
    fresh: bool = False


def to_ns(seconds: float) -> int:
    """Unix seconds as whole Unix ns."""
    return int(seconds * 1_000_000_000)


class Draft:
    """The points of one snapshot while it is taken. `now` is in Unix seconds."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.time_ns = to_ns(now)
        self.points: list[Point] = []
        self.zero_points: list[Point] = []
        self.fresh_usage: list[int] = []
        self.fresh_billing: list[int] = []
        self.fresh_caches: list[int] = []

    def gauge(self, metric: Metric, attributes: Attributes, value: float | None) -> None:
        """Add a gauge's point, unless its value is unknown: None, infinite or not a number."""
        if value is not None and math.isfinite(value):
            self.points.append(Point(metric, attributes, value, self.time_ns))

    def money(self, metric: Metric, attributes: Attributes, nanos: int | None) -> None:
        """Add the point of a gauge in USD from nano-USD, unless that is None."""
        if nanos is not None:
            self.points.append(Point(metric, attributes, to_usd(nanos), self.time_ns))

    def stream(self, start_ns: int, fresh: bool = False) -> Stream | None:
        """The stream of a series that started at `start_ns`; None while that lies in the future.

        That happens when the clock was set back. A point before its start would be invalid, one in
        the future would block the series at many receivers, and another start would be another
        stream: so the series waits until the clock has passed its start, and loses nothing by it.
        """
        if start_ns > self.time_ns + _SAME_INSTANT_NS:
            return None
        return Stream(start_ns, max(self.time_ns, start_ns + _MILLISECOND_NS), fresh)

    def ledger_stream(self, totals: Sequence[UsageTotal] | Sequence[BillingTotal]) -> Stream | None:
        """The stream of the sum of `totals`: as old as the oldest, fresh if all of them are."""
        start_ns = min(total.start_ns for total in totals)
        return self.stream(start_ns, all(total.fresh for total in totals))

    def counter(
        self,
        metric: Metric,
        attributes: Attributes,
        value: float | Histogram,
        stream: Stream | None,
    ) -> None:
        """Add a cumulative point, and the zero point before it where the stream is fresh.

        Without a stream the series waits.
        """
        if stream is None:
            return
        self.points.append(Point(metric, attributes, value, stream.time_ns, stream.start_ns))
        if stream.fresh:
            start = stream.start_ns
            self.zero_points.append(Point(metric, attributes, 0, start, start))

    def done(self) -> Snapshot:
        return Snapshot(
            self.time_ns,
            tuple(self.points),
            tuple(self.zero_points),
            tuple(self.fresh_usage),
            tuple(self.fresh_billing),
            tuple(self.fresh_caches),
        )

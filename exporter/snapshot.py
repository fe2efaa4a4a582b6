"""Ledger totals and newest readings → points. Pure: what is unknown has no point.

Money becomes a binary float here and nowhere earlier.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from exporter.board import Board, Histogram
from exporter.catalogue import Metric
from exporter.ledger.totals import AccountTotals


class Point(msgspec.Struct, frozen=True):
    """One point of one series.

    `attributes` are values in the order of `metric.attributes`; None where the attribute is
    left out. `value` is in the metric's unit; a `Histogram` where the metric is one. Instants
    are Unix ns; `start_ns` is 0 for gauges.
    """

    metric: Metric
    attributes: tuple[str | None, ...]
    value: int | float | Histogram
    time_ns: int
    start_ns: int = 0


class Snapshot(msgspec.Struct, frozen=True):
    """Every point at one instant.

    `zero_points` are value 0 at the start of series that no receiver has seen yet;
    `fresh_usage` and `fresh_billing` are the ledger ids of those series.
    """

    time_ns: int
    points: tuple[Point, ...]
    zero_points: tuple[Point, ...] = ()
    fresh_usage: tuple[int, ...] = ()
    fresh_billing: tuple[int, ...] = ()


def take(board: Board, totals: Mapping[str, AccountTotals], now: float) -> Snapshot:
    """All points at `now` (Unix s). `totals` by account name."""
    raise NotImplementedError

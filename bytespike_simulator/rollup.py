"""Sums by hour, key and model: what the rollup answers from."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass

HOUR = 3600

Cell = tuple[int, int, int]
"""Hour (Unix s), key index, model index."""


@dataclass(slots=True)
class Sums:
    """Credits, tokens and calls added up."""

    credits: int = 0
    prompt: int = 0
    completion: int = 0
    calls: int = 0

    def add(self, other: Sums, times: int = 1) -> None:
        """Add another sum `times` times; -1 takes it away."""
        self.credits += other.credits * times
        self.prompt += other.prompt * times
        self.completion += other.completion * times
        self.calls += other.calls * times


class Rollup:
    """One `Sums` for each cell that was ever billed."""

    def __init__(self) -> None:
        self._hours: list[int] = []
        self._cells: dict[int, dict[tuple[int, int], Sums]] = {}

    def add(self, cell: Cell, sums: Sums, times: int = 1) -> None:
        """Book `sums` `times` times in one cell."""
        hour, key, model = cell
        cells = self._cells.get(hour)
        if cells is None:
            cells = self._cells[hour] = {}
            insort(self._hours, hour)
        booked = cells.get((key, model))
        if booked is None:
            booked = cells[key, model] = Sums()
        booked.add(sums, times)

    def between(self, since: int, until: int) -> Iterator[tuple[Cell, Sums]]:
        """Cells whose hour begins in [since, until) (Unix s), oldest hour first."""
        first = bisect_left(self._hours, since)
        last = bisect_left(self._hours, until)
        for hour in self._hours[first:last]:
            for (key, model), sums in self._cells[hour].items():
                yield (hour, key, model), sums

"""Sums by hour, key and model: what the rollup answers from."""

from __future__ import annotations

from dataclasses import dataclass

HOUR = 3600

Cell = tuple[int, int, int]
"""Hour (Unix s), key index, model index."""


@dataclass(slots=True)
class Sums:
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

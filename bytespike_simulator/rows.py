"""The rows of the log, ordered by `created_at`, then by arrival, and sums of them.

A late row is inserted where it belongs. Pages and ranges are found by bisection.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

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


class Row(msgspec.Struct, frozen=True, order=True, gc=False):
    """One billed call. `created` in Unix ms, `key` and `model` are indexes, money in credits.

    `serial` grows with every row that arrives and gives the request id.
    """

    created: int
    serial: int
    key: int
    model: int
    prompt: int
    completion: int
    credits: int

    @property
    def sums(self) -> Sums:
        return Sums(self.credits, self.prompt, self.completion, 1)

    @property
    def request_id(self) -> str:
        """The id that the gateway shows: it begins with the instant, like a ULID."""
        return f"{_PREFIX}{self.created:0{_INSTANT}X}{self.serial:014X}"


_PREFIX = "req_01J"
_INSTANT = 11


class RowStore:
    """All rows, oldest first."""

    def __init__(self) -> None:
        self._rows: list[Row] = []

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Row:
        return self._rows[index]

    def add(self, row: Row) -> None:
        insort(self._rows, row)

    def extend(self, rows: Iterable[Row]) -> None:
        """Append rows that are newer than all others, oldest first."""
        self._rows.extend(rows)

    def span(self, since: int | None, until: int | None) -> tuple[int, int]:
        """Indexes [low, high) of the rows with `since` ≤ created < `until` (Unix ms)."""
        low = 0 if since is None else self.place(since, 0)
        high = len(self) if until is None else self.place(until, 0)
        return low, max(low, high)

    def place(self, created: int, serial: int) -> int:
        """How many rows are ordered before the place (`created`, `serial`)."""
        return bisect_left(self._rows, (created, serial), key=lambda row: (row.created, row.serial))

    def find(self, request: str) -> int | None:
        """The index of the row with this request id, or None."""
        digits = request.removeprefix(_PREFIX)
        try:
            index = self.place(int(digits[:_INSTANT], 16), int(digits[_INSTANT:], 16))
        except ValueError:
            return None
        found = index < len(self) and self[index].request_id == request
        return index if found else None

    def prune(self, limit: int) -> None:
        """Forget the oldest rows once there are a tenth more than `limit`."""
        if limit and len(self) > limit + limit // 10:
            del self._rows[: len(self) - limit]

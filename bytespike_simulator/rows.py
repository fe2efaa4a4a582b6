"""The log's rows in columns: 44 bytes each, so that a million of them is a small thing.

Rows are ordered by `created_at`, then by arrival; a late row is inserted where it belongs.
Pages and ranges are found by bisection.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import msgspec


class Row(msgspec.Struct, frozen=True, gc=False):
    """One billed call. `created` in Unix ms, `key` and `model` are indexes, money in credits.

    `serial` grows with every row that arrives and gives the request id.
    """

    serial: int
    created: int
    key: int
    model: int
    prompt: int
    completion: int
    credits: int

    @property
    def request_id(self) -> str:
        """The id that the gateway shows: it begins with the instant, like a ULID."""
        return request_id(self.created, self.serial)


REQUEST_PREFIX = "req_01J"
_INSTANT_DIGITS = 11


def request_id(created: int, serial: int) -> str:
    """The request id of a row."""
    return f"{REQUEST_PREFIX}{created:0{_INSTANT_DIGITS}X}{serial:014X}"


class RowStore:
    """Rows between two instants, newest or oldest first, without scanning."""

    def __init__(self) -> None:
        self._serial = array("q")
        self._created = array("q")
        self._key = array("H")
        self._model = array("H")
        self._prompt = array("q")
        self._completion = array("q")
        self._credits = array("q")
        self._columns = (
            self._serial,
            self._created,
            self._key,
            self._model,
            self._prompt,
            self._completion,
            self._credits,
        )

    def __len__(self) -> int:
        return len(self._created)

    def __getitem__(self, index: int) -> Row:
        return Row(*[column[index] for column in self._columns])

    def take(self, places: range | list[int]) -> list[Row]:
        """The rows at ascending `places`, in their order."""
        if isinstance(places, range):
            columns = [column[places.start : places.stop] for column in self._columns]
            return list(map(Row, *columns))
        return [self[index] for index in places]

    def add(self, row: Row) -> None:
        """Insert one row after all that were created no later."""
        values = (
            row.serial,
            row.created,
            row.key,
            row.model,
            row.prompt,
            row.completion,
            row.credits,
        )
        at = bisect_right(self._created, row.created)
        for column, value in zip(self._columns, values, strict=True):
            column.insert(at, value)

    def extend(self, columns: Sequence[Sequence[int]]) -> None:
        """Append rows that are newer than all others; `columns` in the order of `Row`."""
        for column, values in zip(self._columns, columns, strict=True):
            column.extend(values)

    def span(self, since: int | None, until: int | None) -> tuple[int, int]:
        """Indexes [low, high) of the rows with `since` ≤ created < `until` (Unix ms)."""
        low = 0 if since is None else bisect_left(self._created, since)
        high = len(self) if until is None else bisect_left(self._created, until)
        return low, max(low, high)

    def place(self, created: int, serial: int) -> int:
        """How many rows are ordered before the place (`created`, `serial`)."""
        if not -(1 << 63) <= created < 1 << 63:
            return len(self) if created > 0 else 0
        at = bisect_left(self._created, created)
        while at < len(self) and self._created[at] == created and self._serial[at] < serial:
            at += 1
        return at

    def find(self, request: str) -> int | None:
        """The index of the row with this request id, or None."""
        digits = request.removeprefix(REQUEST_PREFIX)
        try:
            created, serial = int(digits[:_INSTANT_DIGITS], 16), int(digits[_INSTANT_DIGITS:], 16)
        except ValueError:
            return None
        index = self.place(created, serial)
        found = index < len(self) and self[index].request_id == request
        return index if found else None

    def key_at(self, index: int) -> int:
        """The key of one row."""
        return self._key[index]

    def prune(self, limit: int) -> None:
        """Forget the oldest rows once there are a tenth more than `limit`."""
        if limit and len(self) > limit + limit // 10:
            for column in self._columns:
                del column[: len(column) - limit]

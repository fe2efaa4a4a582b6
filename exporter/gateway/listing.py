"""Lists of rows in a JSON answer, wherever they stand, and what is said about paging."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar

import msgspec

from exporter.errors import BadResponseError
from exporter.gateway.dialects import LISTS, PAGES, Names, first
from exporter.gateway.fields import count, text
from exporter.gateway.jsontext import Json
from exporter.gateway.paging import PageFacts
from exporter.gateway.readings import Rejected, Transaction, UsageRow

T = TypeVar("T")
Row = TypeVar("Row", UsageRow, Transaction)

_MAX_CURSOR: Final = 4096


class Listing(msgspec.Struct, frozen=True):
    """The rows of one page, undecoded, and its paging fields."""

    rows: list[Json]
    total: int | None = None
    size: int | None = None
    cursor: str | None = None
    number: int | None = None
    more: bool | None = None

    def facts(self, ids: list[str], times: list[float]) -> PageFacts:
        return PageFacts(ids, times, self.total, self.size, self.cursor, self.number, self.more)


class ListAnswer(msgspec.Struct, Generic[Row], frozen=True):
    """One page: what can be read of it, what cannot, and how to go on."""

    rows: tuple[Row, ...]
    rejected: tuple[Rejected, ...]
    facts: PageFacts


def listing(answer: Json) -> Listing | None:
    """The list that an answer holds, or None if it holds none."""
    if isinstance(answer, list):
        return Listing(answer)
    if not isinstance(answer, dict):
        return None
    for name in LISTS:
        rows = answer.get(name)
        if isinstance(rows, list):
            return paged(answer, rows)
    if "items" in answer and answer["items"] is None and count(answer.get("total")) == 0:
        return paged(answer, [])  # how Go spells a list without rows
    return None


def paged(answer: dict[str, Json], rows: list[Json]) -> Listing:
    """These rows, and what their answer says about paging."""
    number, pages = count(answer.get("page")), count(first(answer, PAGES))
    more = answer.get("has_more")
    if not isinstance(more, bool):
        # Pages from 0 say one number less: then a question too many settles it.
        more = True if number is not None and pages is not None and number < pages else None
    return Listing(
        rows,
        total=count(answer.get("total")),
        size=count(answer.get("page_size")) or None,
        cursor=_cursor(answer.get("next_cursor")),
        number=number,
        more=more,
    )


def _cursor(value: Json) -> str | None:
    """A cursor as it is sent back; None where the list ends. Raises BadResponseError if absurd."""
    if value is None or value == "" or value is False:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and len(value) <= _MAX_CURSOR:
        return text(value, _MAX_CURSOR)
    raise BadResponseError("next_cursor is not a short text: the list cannot be followed")


def read_each(
    rows: list[Json], read: Callable[[dict[str, Json]], T], id_names: Names
) -> tuple[tuple[T, ...], tuple[Rejected, ...]]:
    """What `read` makes of each row, and the rows of which it raises ValueError.

    Those are told apart by the first of these fields, or by their place where they have none.
    """
    good: list[T] = []
    bad: list[Rejected] = []
    for place, row in enumerate(rows):
        value: Json = None
        try:
            if not isinstance(row, dict):
                raise ValueError("it is not an object")
            value = first(row, id_names)
            good.append(read(row))
        except ValueError as error:
            shown = None
            if isinstance(value, str | int) and not isinstance(value, bool):
                shown = text("".join(c if c.isprintable() else "?" for c in str(value)[:80]))
            bad.append(Rejected(shown or f"row {place + 1} of its page", str(error)))
    return tuple(good), tuple(bad)

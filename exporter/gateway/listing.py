"""Lists of rows in a JSON answer, wherever they stand, and what is said about paging."""

from __future__ import annotations

from typing import Final

import msgspec

from exporter.errors import BadResponseError
from exporter.gateway.fields import count, text
from exporter.gateway.jsontext import Json
from exporter.gateway.readings import Rejected

LIST_NAMES: Final = ("items", "data", "rows", "usage")
"""Where the contract (§3a) allows a list to stand."""

_MAX_CURSOR: Final = 4096


class Listing(msgspec.Struct, frozen=True):
    """The rows of one page, undecoded, and its paging fields."""

    rows: list[Json]
    total: int | None = None
    size: int | None = None
    cursor: str | None = None


def listing(answer: Json) -> Listing | None:
    """The list that an answer holds, or None if it holds none."""
    if isinstance(answer, list):
        return Listing(answer)
    if not isinstance(answer, dict):
        return None
    for name in LIST_NAMES:
        rows = answer.get(name)
        if isinstance(rows, list):
            return Listing(
                rows,
                total=count(answer.get("total")),
                size=count(answer.get("page_size")) or None,
                cursor=cursor_text(answer.get("next_cursor")),
            )
    return None


def cursor_text(value: Json) -> str | None:
    """A cursor as it is sent back; None where the list ends. Raises BadResponseError if absurd."""
    if value is None or value == "" or value is False:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and len(value) <= _MAX_CURSOR:
        return text(value, _MAX_CURSOR)
    raise BadResponseError("next_cursor is not a short text: the list cannot be followed")


def rejected(row: Json, place: int, name: str, error: ValueError) -> Rejected:
    """Why the row at `place` was not taken; told apart by its `name` field if it has one."""
    value = row.get(name) if isinstance(row, dict) else None
    shown = None
    if isinstance(value, str | int) and not isinstance(value, bool):
        shown = text("".join(c if c.isprintable() else "?" for c in str(value)[:80]))
    return Rejected(shown or f"row {place + 1} of its page", str(error))

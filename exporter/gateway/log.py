"""Usage rows, one per billed call (contract §3a), decoded one by one and leniently.

`usage` decodes a page in one go where all of it is as documented; this is for every other page.
"""

from __future__ import annotations

from exporter.gateway.fields import (
    UNKNOWN_MODEL,
    count,
    credits_to_nanos,
    identifier,
    instant,
    key_ref,
    number,
    text,
)
from exporter.gateway.jsontext import Json
from exporter.gateway.listing import rejected
from exporter.gateway.readings import KeyRef, Rejected, UsageRow


def read_rows(
    rows: list[Json], own: KeyRef, credits_per_usd: int
) -> tuple[tuple[UsageRow, ...], tuple[Rejected, ...]]:
    """The rows that can be read, and those that cannot. Rows without a key belong to `own`."""
    good: list[UsageRow] = []
    bad: list[Rejected] = []
    for place, row in enumerate(rows):
        try:
            good.append(_row(row, own, credits_per_usd))
        except ValueError as error:
            bad.append(rejected(row, place, "request_id", error))
    return tuple(good), tuple(bad)


def _row(row: Json, own: KeyRef, credits_per_usd: int) -> UsageRow:
    if not isinstance(row, dict):
        raise ValueError("the row is not an object")
    request_id = identifier(row.get("request_id"))
    if request_id is None:
        raise ValueError("request_id is missing or unusable")
    created_at = instant(row.get("created_at"))
    if created_at is None:
        raise ValueError("created_at is missing or not a time")
    credits = number(row.get("credits"))
    if credits is None:
        raise ValueError("credits is missing or not a number")
    return UsageRow(
        request_id=request_id,
        created_at=created_at,
        model=text(row.get("model")) or UNKNOWN_MODEL,
        key=key_ref(row.get("api_key"), own),
        cost=credits_to_nanos(credits, credits_per_usd),
        input_tokens=_tokens(row, "prompt_tokens"),
        output_tokens=_tokens(row, "completion_tokens"),
    )


def _tokens(row: dict[str, Json], name: str) -> int:
    """Tokens of a row; a row that names none, as for images, has none."""
    value = row.get(name)
    if value is None:
        return 0
    tokens = count(value)
    if tokens is None:
        raise ValueError(f"{name} is not a whole number of tokens")
    return tokens

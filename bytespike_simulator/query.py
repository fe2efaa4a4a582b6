"""The parameters of a request, and what the gateway says to those that make no sense."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from bytespike_simulator.refusals import bad_request

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


Query = Mapping[str, str]
"""The parameters of one request; the last of a repeated one counts."""


def integer(query: Query, name: str, default: int) -> int:
    """A whole number from 1 on. Raises Refusal."""
    value = query.get(name)
    if value is None:
        return default
    if not value.isascii() or not value.isdecimal() or len(value) > 9 or int(value) < 1:
        raise bad_request(f"{name}: must be a whole number from 1 on")
    return int(value)


def instant(query: Query, name: str) -> int | None:
    """An ISO date or timestamp, UTC unless it says otherwise, as Unix ms rounded up.

    Rows have whole milliseconds, so that rounding up keeps both "≥ since" and "< until".
    Raises Refusal.
    """
    value = query.get(name)
    if value is None:
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        raise bad_request(f"{name}: must be an ISO date or timestamp") from None
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=UTC)
    return -((_EPOCH - parsed) // timedelta(milliseconds=1))

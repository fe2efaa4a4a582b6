"""Which spellings mean the same: gateways differ in what they call things (contract §2, §3, §6).

Whatever reads an answer asks here for what a field may be called, so that a new spelling is one
word in one place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from exporter.errors import RefusedAnswerError, UnknownAnswerError
from exporter.gateway.jsontext import Json, parse

Names = tuple[str, ...]
"""What one thing may be called; the first that is there counts."""

LISTS: Final[Names] = ("items", "data", "rows", "usage")
REQUEST_ID: Final[Names] = ("request_id", "id")
INPUT_TOKENS: Final[Names] = ("prompt_tokens", "input_tokens")
OUTPUT_TOKENS: Final[Names] = ("completion_tokens", "output_tokens")
CACHE_READ_TOKENS: Final[Names] = ("cache_read_tokens",)
CACHE_CREATION_TOKENS: Final[Names] = ("cache_creation_tokens",)
CHARGED_USD: Final[Names] = ("actual_cost",)
LIST_PRICE_USD: Final[Names] = ("total_cost",)
BUCKET_USD: Final[Names] = ("total_usd", "actual_cost")
CALLS: Final[Names] = ("call_count", "requests")
PAGES: Final[Names] = ("total_pages", "pages")

_WRAPPING: Final = frozenset(
    {"code", "data", "error", "message", "metadata", "msg", "reason", "status", "success"}
)
_MEMBER: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")
_SHOWN_MEMBERS: Final = 20


def first(row: dict[str, Json], names: Names) -> Json:
    """What stands under the first of these names; None where all are missing or null."""
    for name in names:
        value = row.get(name)
        if value is not None:
            return value
    return None


def read_answer(body: bytes) -> Json:
    """The JSON of an answer, without what is wrapped around it. Raises BadResponseError."""
    return unwrapped(parse(body))


def unwrapped(answer: Json) -> Json:
    """What stands in `{"code": 0, "message", "data"}` or `{"success": true, "data"}`.

    A list is left where it stands: what is said of its pages may stand beside it. Raises
    RefusedAnswerError where the wrapping says that the request failed.
    """
    if not isinstance(answer, dict):
        return answer
    bare = answer.keys() <= _WRAPPING
    says = answer.get("code") is not None or answer.get("success") is not None
    if not (says and (bare or "data" in answer)) and not (bare and "data" in answer):
        return answer
    code = answer.get("code")
    status = _small(code)
    if answer.get("success") is False or (code is not None and status != 0):
        shown = f"code {status}" if status else "no success"
        raise RefusedAnswerError(f"the answer says that it failed ({shown})", status=status or 0)
    data = answer.get("data")
    return data if isinstance(data, dict) else answer


def _small(code: Json) -> int | None:
    text = str(code)
    return int(text) if not isinstance(code, bool) and text.isdecimal() and len(text) < 7 else None


def unknown(answer: Json, expected: str) -> UnknownAnswerError:
    """The error for an answer in no known dialect: what it holds by name, never by value."""
    if isinstance(answer, dict):
        holds = f"it holds {_members(answer)}"
    else:
        holds = "it is a list" if isinstance(answer, list) else "it is a single value"
    return UnknownAnswerError(f"the answer is in no known dialect: {holds}; expected {expected}")


def _members(names: Iterable[str]) -> str:
    """Names that look like names, for an error message; any other may be a secret."""
    everything = list(names)
    plain = [name for name in everything if _MEMBER.fullmatch(name)][:_SHOWN_MEMBERS]
    others = len(everything) - len(plain)
    shown = [f'"{name}"' for name in plain] + ([f"{others} others"] if others else [])
    return ", ".join(shown) or "nothing"

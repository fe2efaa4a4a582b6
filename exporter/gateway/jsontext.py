"""JSON, exactly and leniently: decimals stay decimal, and one absurd number costs only itself."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Final

from exporter.errors import BadResponseError, ResponseTooLargeError

Json = dict[str, "Json"] | list["Json"] | str | int | Decimal | bool | None
"""What `parse` gives. A number that no field could mean is a Decimal NaN."""

_NAN: Final = Decimal("NaN")
_LONGEST_NUMBER: Final = 400

MAX_NESTED: Final = 150_000
MAX_VALUES: Final = 600_000
"""Lists and objects, and values, of one answer: more than 8 MiB of documented rows hold.

Empty ones weigh a hundred times their text once they are read.
"""


def parse(body: bytes) -> Json:
    """The JSON value of a body. Raises BadResponseError if it is none, or nested too deeply.

    One that would weigh far more than its text is a ResponseTooLargeError. Bytes that are not
    UTF-8 are replaced, so that they harm one string only.
    """
    _check_weight(body)
    problem = "is not JSON"
    try:
        value: Json = _DECODER.decode(body.decode("utf-8", "replace").lstrip("\ufeff"))
    except RecursionError:
        problem = "is nested too deeply"
    except ValueError:
        if not body.strip():
            problem = "is empty"
    else:
        return value
    raise BadResponseError(f"the answer {problem}; is a proxy or another service in front?")


def _check_weight(body: bytes) -> None:
    """Raises ResponseTooLargeError. Without a comma all is one chain, which its depth ends."""
    commas = body.count(b",")
    nested = body.count(b"{") + body.count(b"[") if commas else 0
    if commas > MAX_VALUES or nested > MAX_NESTED:
        raise ResponseTooLargeError("the answer holds too much at once: ask for a shorter range")


def _whole(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= _LONGEST_NUMBER else _NAN


def _decimal(digits: str) -> Decimal:
    if len(digits) > _LONGEST_NUMBER:
        return _NAN
    try:
        return Decimal(digits)
    except InvalidOperation:
        return _NAN


def _constant(_: str) -> Decimal:
    return _NAN


_DECODER: Final = json.JSONDecoder(parse_int=_whole, parse_float=_decimal, parse_constant=_constant)

"""Single fields of the gateway's JSON, each read leniently and by itself.

A function gives None (or raises ValueError, where a row cannot do without the field) for what
is missing, of the wrong type, not finite or absurd.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import ROUND_05UP, ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Final

import msgspec

from exporter.gateway.envelope import END_OF_TIME
from exporter.gateway.jsontext import Json
from exporter.gateway.readings import KeyRef
from exporter.money import MAX_CHARGE_USD, NANOS_PER_USD, to_nanos
from exporter.secrets import Secret, is_mask, one_mask, redact

MAX_TEXT: Final = 256
"""Longest name, model or id that is kept, in characters."""

MAX_COUNT: Final = 10**15
"""No token or call count is larger."""

UNKNOWN_MODEL: Final = "unknown"

_NUMERIC: Final = re.compile(r"-?\d{1,30}(\.\d{1,60})?([eE][+-]?\d{1,3})?", re.ASCII)
_INSTANT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d)(?::(\d\d)(?::(\d\d)([.,]\d{1,30})?)?)?)?"
    r" ?(Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII | re.IGNORECASE,
)
_SHORTEST_KEY: Final = 20
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_FIRST_MILLISECONDS: Final = 100_000_000_000
# Rounding toward a sticky last digit keeps a later half-even rounding exact.
_STICKY: Final = Context(prec=60, rounding=ROUND_05UP)


def text(value: Json, limit: int = MAX_TEXT) -> str | None:
    """A string of at most `limit` characters, cut if longer; None if empty or not a string.

    Lone surrogates, which JSON can spell and UTF-8 cannot, are replaced; all else is kept.
    """
    if not isinstance(value, str) or not value:
        return None
    cut = value[:limit]
    return cut if cut.isascii() else cut.encode("utf-8", "replace").decode("utf-8")


def identifier(value: Json) -> str | None:
    """An id given as a number or as text. Not cut: two ids must not become one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value) if abs(value) < 10**40 else None
    return text(value) if isinstance(value, str) and len(value) <= MAX_TEXT else None


def number(value: Json) -> Decimal | int | None:
    """A finite number, also where it is written as a string."""
    if type(value) is int:
        return value
    if isinstance(value, str):
        stripped = value.strip()[:128]
        return Decimal(stripped) if _NUMERIC.fullmatch(stripped) else None
    return value if isinstance(value, Decimal) and value.is_finite() else None


def money(value: Json, *, signed: bool = False) -> int | None:
    """An amount in USD as nano-USD; negative ones only if `signed`."""
    amount = number(value)
    if amount is None or (amount < 0 and not signed):
        return None
    try:
        return to_nanos(Decimal(amount))
    except (ValueError, InvalidOperation):
        return None


def charge(value: Json) -> int | None:
    """What an hour of one key and model has cost, in USD, as nano-USD."""
    nanos = money(value)
    return nanos if nanos is not None and nanos <= MAX_CHARGE_USD * NANOS_PER_USD else None


def credits_to_nanos(credits: int | Decimal, per_usd: int) -> int:
    """Nano-USD of a charge in credits, rounded half to even once. Raises ValueError.

    Negative charges are not documented and not taken.
    """
    if not 0 <= credits <= MAX_CHARGE_USD * per_usd:
        raise ValueError("credits are negative or absurd")
    if isinstance(credits, int) and NANOS_PER_USD % per_usd == 0:
        return credits * (NANOS_PER_USD // per_usd)
    nanos = _STICKY.multiply(Decimal(credits), Decimal(NANOS_PER_USD))
    return int(_STICKY.divide(nanos, Decimal(per_usd)).to_integral_value(ROUND_HALF_EVEN))


def count(value: Json) -> int | None:
    """A whole number from 0 to `MAX_COUNT`, also where it is written as `12.0`."""
    amount = number(value)
    if amount is None or not 0 <= amount <= MAX_COUNT or amount != int(amount):
        return None
    return int(amount)


def instant(value: Json) -> float | None:
    """Unix seconds of a timestamp.

    RFC 3339 in any precision from the hour on, with or without an offset (then UTC), or a Unix
    number in seconds (in milliseconds where it can only be those).
    """
    if isinstance(value, str):
        match = _INSTANT.fullmatch(value.strip()[:80])
        if match is not None:
            return _of_parts(match) if match[2] else None
    unix = number(value)
    if unix is None or not 0 < unix < END_OF_TIME * 1000:
        return None
    seconds = float(unix if unix < _FIRST_MILLISECONDS else unix / Decimal(1000))
    return seconds if seconds < END_OF_TIME else None


def is_day(value: str) -> bool:
    """Whether a bucket is a whole day: a date without an hour."""
    match = _INSTANT.fullmatch(value.strip()[:80])
    return match is not None and match[2] is None


def _of_parts(match: re.Match[str]) -> float | None:
    date, hour, minute, second, fraction, offset = match.groups()
    micros = (fraction or ".")[1:7].ljust(6, "0")
    spelled = f"{date}T{hour}:{minute or '00'}:{second or '00'}.{micros}"
    zone = "+00:00" if offset is None or offset.isalpha() else offset
    try:
        seconds = datetime.fromisoformat(f"{spelled}{zone}").timestamp()
    except (ValueError, OverflowError):
        return None
    return seconds if 0 < seconds < END_OF_TIME else None


def range_params(since: float, until: float) -> dict[str, str]:
    """The parameters `since` and `until` of a range (Unix s), as `2026-05-21T14:08:11.123Z`.

    Rounded outward to the millisecond: what is asked for never lacks a part of the range.
    """
    return {
        "since": _rfc3339(_millis(since, math.floor)),
        "until": _rfc3339(_millis(until, math.ceil)),
    }


def _millis(seconds: float, rounding: Callable[[float], int]) -> int:
    nearest = round(seconds * 1000)
    # A whole millisecond is itself, though the product may miss it by one binary digit.
    return nearest if nearest / 1000 == seconds else rounding(seconds * 1000)


def _rfc3339(millis: int) -> str:
    whole = datetime.fromtimestamp(millis // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{millis % 1000:03}Z" if millis % 1000 else f"{whole}Z"


def masked_text(value: str) -> str:
    """A key in its one masked form; masked here if it is a whole key. An id stays as it is."""
    if is_mask(value):
        return one_mask(value)
    whole = len(value) >= _SHORTEST_KEY and not _UUID.fullmatch(value)
    return Secret(value).masked() if whole else value


def masked_key(value: Json) -> str | None:
    """The one masked form of what is known to be a key, whole or masked; None if it is no text."""
    if not isinstance(value, str) or not value:
        return None
    return one_mask(value[:MAX_TEXT]) if is_mask(value) else Secret(value).masked()


def key_name(value: Json) -> str | None:
    """A key's name. One that holds a key shows only its masked form."""
    name = text(value)
    if name is None:
        return None
    whole = name.startswith("sk-") and len(name) >= _SHORTEST_KEY and not is_mask(name)
    return Secret(name).masked() if whole else redact(name)


def key_ref(row: dict[str, Json], own: KeyRef) -> KeyRef:
    """How a row names its key (contract §3a): object, masked form, id, or not at all (`own`).

    Raises ValueError for anything else.
    """
    value, its_id = row.get("api_key"), row.get("api_key_id")
    named = _key_object(value) if isinstance(value, dict) else _key_text(value)
    if its_id is None or its_id == "":
        return named or own
    by_id = _key_text(its_id)
    if named is None or by_id is None or named.gateway_id is not None:
        return named or by_id or own
    return msgspec.structs.replace(named, gateway_id=by_id.gateway_id)


def _key_object(value: dict[str, Json]) -> KeyRef | None:
    masked = masked_key(value.get("masked")) or masked_key(value.get("key"))
    name, ident = key_name(value.get("name")), identifier(value.get("id"))
    if ident is None and masked is None and name is None:
        return None
    return KeyRef(ident, masked, name)


def _key_text(value: Json) -> KeyRef | None:
    if value is None or value == "":
        return None
    given = identifier(value)
    if given is None:
        raise ValueError("api_key is neither an object, a masked form nor an id")
    if isinstance(value, int) or (given.isascii() and given.isdigit()):
        return KeyRef(gateway_id=given)
    masked = masked_text(given)
    return KeyRef(masked=masked) if is_mask(masked) else KeyRef(gateway_id=given)

"""How this gateway writes times, names and money, and reads times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from tests.second_gateway.gateway.books import Key
from tests.second_gateway.gateway.switches import Naming, Spelling


class BadRequestError(Exception):
    """What a client sent is not understood: status 400."""


def utc(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def instant(text: str) -> float:
    """The Unix time of a date, or of a timestamp; UTC where no zone is named."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequestError(f"not a time: {text}") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()


def spell(at: float, spelling: Spelling, zone_hours: int = 0) -> str:
    moment = utc(at) + timedelta(hours=zone_hours)
    match spelling:
        case "millis":
            return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
        case "whole":
            return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
        case "micros":
            return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"
        case "no_zone":
            return f"{moment:%Y-%m-%dT%H:%M:%S}"
        case "utc_word":
            return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
        case "offset":
            return f"{moment:%Y-%m-%dT%H:%M:%S}{zone_hours:+03}:00"


def number(amount: Decimal, *, cents: bool = False) -> float:
    """An amount as JSON has it: the shortest decimals that mean this number."""
    return float(amount.quantize(Decimal("0.01"), ROUND_HALF_UP) if cents else amount)


def key_name(key: Key, naming: Naming, turn: int) -> str | int | None:
    """How a key is named in an answer. In turn: by id, then masked."""
    if naming == "in_turn":
        naming = "id" if turn % 2 else "masked"
    match naming:
        case "absent":
            return None
        case "id" | "id_field":
            return key.id
        case "listed":
            return key.listed
        case _:
            return key.masked

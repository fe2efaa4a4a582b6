"""How the gateway writes money and instants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

from bytespike_simulator.wallet import CREDITS

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CENT = CREDITS // 100


def usd(credits: int) -> str:
    """Credits as a JSON number in USD: exact, at least two decimals."""
    sign = "-" if credits < 0 else ""
    whole, part = divmod(abs(credits), CREDITS)
    digits = f"{part:06d}".rstrip("0").ljust(2, "0")
    return f"{sign}{whole}.{digits}"


def cents(credits: int) -> str:
    """Credits as a JSON number in USD, rounded half to even to cents."""
    return usd(round_to_cents(credits))


def round_to_cents(credits: int) -> int:
    """Credits of whole cents, rounded half to even."""
    whole, rest = divmod(credits, _CENT)
    up = rest * 2 > _CENT or (rest * 2 == _CENT and whole % 2)
    return (whole + (1 if up else 0)) * _CENT


def floor_cents(credits: int) -> str:
    """Credits as USD with two decimals, rounded down: how headers show what is left."""
    return f"{credits // _CENT / 100:.2f}"


def number(text: str) -> msgspec.Raw:
    """A JSON number, spelled exactly so."""
    return msgspec.Raw(text.encode())


def money(credits: int) -> msgspec.Raw:
    """`usd` for use inside an encoded object."""
    return number(usd(credits))


@lru_cache(maxsize=4096)
def _minute_prefix(minute: int) -> str:
    return (EPOCH + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:")


def timestamp_ms(instant: int) -> str:
    """Unix ms as `2026-05-21T14:08:11.123Z`."""
    minute, rest = divmod(instant, 60_000)
    return f"{_minute_prefix(minute)}{rest // 1000:02d}.{rest % 1000:03d}Z"


def timestamp(instant: int) -> str:
    """Unix s as `2026-05-21T14:08:11Z`."""
    return timestamp_ms(instant * 1000)[:-5] + "Z"


def quoted(text: str) -> str:
    """A JSON string."""
    return msgspec.json.encode(text).decode()

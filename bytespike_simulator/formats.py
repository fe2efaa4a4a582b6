"""How the gateway writes money and instants."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from bytespike_simulator.wallet import CREDITS


def usd(credits: int) -> msgspec.Raw:
    """Credits as a JSON number in USD: exact, at least two decimals."""
    sign = "-" if credits < 0 else ""
    whole, part = divmod(abs(credits), CREDITS)
    digits = f"{part:06d}".rstrip("0").ljust(2, "0")
    return msgspec.Raw(f"{sign}{whole}.{digits}".encode())


def floor_cents(credits: int) -> str:
    """Credits as USD with two decimals, rounded down: how headers show what is left."""
    return f"{credits // (CREDITS // 100) / 100:.2f}"


def timestamp_ms(instant: int) -> str:
    """Unix ms as `2026-05-21T14:08:11.123Z`."""
    return datetime.fromtimestamp(instant / 1000, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def timestamp(instant: int) -> str:
    """Unix s as `2026-05-21T14:08:11Z`."""
    return timestamp_ms(instant * 1000)[:-5] + "Z"

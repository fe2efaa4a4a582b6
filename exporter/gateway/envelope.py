"""Numbers in response headers: the quota envelope (contract §1) and how long to wait (§6).

Each header stands for itself. One that is missing, unreadable or absurd is None; of those that
are there the envelope tells which could not be read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Final

from msgspec.structs import replace

from exporter.gateway.readings import QUOTA_HEADERS, Envelope
from exporter.money import to_nanos

Headers = Mapping[bytes, bytes]
"""Header values by name in lower case."""

MAX_WAIT: Final = 3600.0
"""The longest wait, in seconds, that the gateway may ask for."""

END_OF_TIME: Final = 7_258_118_400.0
"""Unix time of the year 2200: later instants are taken for mistakes."""

_NUMBER: Final = re.compile(rb"\d{1,15}(\.\d{1,30})?")


def read_envelope(headers: Headers, key_id: str, now: float) -> Envelope | None:
    """What the five quota headers say at `now` (Unix s), or None where there is none."""
    there = [member for member, name in QUOTA_HEADERS.items() if name.encode() in headers]
    limit = _money(headers, "limit")
    envelope = Envelope(
        observed_at=now,
        key_id=key_id,
        limit=None if limit is None or limit < 0 else limit,
        remaining=_money(headers, "remaining"),
        reset_at=reset_at(headers),
        key_quota_remaining=_money(headers, "key_quota_remaining"),
        org_quota_remaining=_money(headers, "org_quota_remaining"),
    )
    unreadable = tuple(member for member in there if getattr(envelope, member) is None)
    return replace(envelope, unreadable=unreadable) if there else None


def reset_at(headers: Headers) -> float | None:
    """`X-RateLimit-Reset` in Unix seconds, which are whole."""
    at = instant(headers.get(b"x-ratelimit-reset", b""))
    return at if at is not None and at.is_integer() else None


def number(raw: bytes) -> Decimal | None:
    """A plain decimal number that is not negative, exactly; None for anything else."""
    stripped = raw.strip()
    return Decimal(stripped.decode("ascii")) if _NUMBER.fullmatch(stripped) else None


def instant(raw: bytes) -> float | None:
    """An instant in Unix seconds, before the year 2200; None for anything else."""
    value = number(raw)
    return float(value) if value is not None and 0 < value < END_OF_TIME else None


def retry_after(headers: Headers, now: float) -> float | None:
    """Seconds that `Retry-After` asks to wait, 0 to `MAX_WAIT`, or None.

    A date is compared with the gateway's own `Date`: its clock may differ from ours (`now`).
    """
    raw = headers.get(b"retry-after", b"").strip()
    if raw.isdigit():
        return min(float(raw[:10]), MAX_WAIT)
    at = _date(raw)
    return None if at is None else _within(at - gateway_time(headers, now))


def wait_for_window(headers: Headers, now: float) -> float | None:
    """Seconds until a spent spend window is worth another try, 0 to `MAX_WAIT`, or None.

    `Retry-After` if given, else until `X-RateLimit-Reset` by the gateway's clock.
    """
    asked = retry_after(headers, now)
    if asked is not None:
        return asked
    reset = reset_at(headers)
    return None if reset is None else _within(reset - gateway_time(headers, now))


def gateway_time(headers: Headers, now: float) -> float:
    """The gateway's `Date` in Unix seconds, or ours where it gives none."""
    at = date_of(headers)
    return now if at is None else at


def date_of(headers: Headers) -> float | None:
    """The gateway's `Date` in Unix seconds."""
    return _date(headers.get(b"date", b""))


def _within(seconds: float) -> float:
    return min(max(seconds, 0.0), MAX_WAIT)


def _money(headers: Headers, member: str) -> int | None:
    """Plain decimal text in nano-USD; below zero is overdrawn."""
    raw = headers.get(QUOTA_HEADERS[member].encode(), b"").strip()
    if not _NUMBER.fullmatch(raw.removeprefix(b"-")):
        return None
    try:
        return to_nanos(Decimal(raw.decode("ascii")))
    except ValueError:
        return None


def _date(raw: bytes) -> float | None:
    """Unix seconds of an HTTP date."""
    if not raw or len(raw) > 64:
        return None
    try:
        parsed = parsedate_to_datetime(raw.decode("ascii"))
        at = (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return None
    return at if math.isfinite(at) and 0 < at < END_OF_TIME else None

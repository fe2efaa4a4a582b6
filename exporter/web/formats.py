"""Numbers and names as people read them: money, durations, instants, counts. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from urllib.parse import quote

_CENT = Decimal("0.01")
_NANO = Decimal("0.000000001")
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_MONTH, _YEAR = 30 * _DAY, 365 * _DAY
_LONG = 10 * _YEAR

_APPROXIMATE = (
    (90 * _MINUTE, _MINUTE, "minute"),
    (2 * _DAY, _HOUR, "hour"),
    (2 * _MONTH, _DAY, "day"),
    (2 * _YEAR, _MONTH, "month"),
    (_LONG, _YEAR, "year"),
)
"""Below the first, counted in the second, called the third."""

_LONG_MINUTES = 10 * _MINUTE
_PERCENT = 0.01
_EXACT = 10_000
_THOUSANDS = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))

_UNITS = ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"), (1, "s"))


def money(usd: float) -> str:
    """`$1,234.50` of an amount in USD; below a cent as many digits as it takes."""
    amount = Decimal(repr(usd)).quantize(_NANO)
    sign, size = ("−" if amount < 0 else ""), abs(amount)
    if 0 < size < _CENT:
        return f"{sign}${str(f'{size:f}').rstrip('0')}"
    return f"{sign}${size.quantize(_CENT, ROUND_HALF_UP):,}"


def about(seconds: float) -> str:
    """`about 9 hours`: a duration that is an estimate."""
    if seconds < _MINUTE:
        return "less than a minute"
    for below, unit, name in _APPROXIMATE:
        if seconds < below:
            return f"about {plural(max(1, round(seconds / unit)), name)}"
    return "more than 10 years"


def span(seconds: float) -> str:
    """`3 d 4 h`, `2 h 5 min`, `42 s`: a measured duration in its two largest units."""
    if seconds >= _LONG:
        return "more than 10 years"
    rest = max(0, round(seconds))
    if rest >= _LONG_MINUTES:  # seconds say nothing beside so many minutes
        rest = round(rest / _MINUTE) * _MINUTE
    parts: list[str] = []
    for size, unit in _UNITS:
        number, rest = divmod(rest, size)
        if number:
            parts.append(f"{number} {unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"


def ago(then: float, now: float) -> str:
    """`12 s ago`. What lies in the future, because a clock was set, is `just now`."""
    return f"{span(now - then)} ago" if now - then >= 1 else "just now"


def ahead(then: float, now: float) -> str:
    """`in 48 s`, or `now` when the time has come."""
    return f"in {span(then - now)}" if then - now >= 1 else "now"


def instant(at: float) -> str:
    """`21 May 2026, 14:08 UTC`; an instant outside the calendar is `at an impossible time`."""
    moment = _moment(at)
    if moment is None:
        return "at an impossible time"
    return f"{moment.day} {moment:%b %Y, %H:%M} UTC"


def time_of_day(at: float) -> str:
    """`14:08:11 UTC`."""
    moment = _moment(at)
    return f"{moment:%H:%M:%S} UTC" if moment else "at an impossible time"


def _moment(at: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(at, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def count(number: int) -> str:
    """`5,824`."""
    return f"{number:,}"


def short(number: int) -> str:
    """`2.58 M`: a count in three digits; exact below 10,000."""
    for size, unit in _THOUSANDS:
        if number >= max(_EXACT, size * 0.9995):
            return f"{number / size:.3g} {unit}"
    return count(number)


def seconds(number: float) -> str:
    """`84 ms`, `2.5 s`: how long something took."""
    return f"{number * 1000:.0f} ms" if number < 1 else f"{number:.1f} s"


def percent(share: float) -> str:
    """`42 %`; a share that is not quite nothing or not quite all stays so."""
    if 0 < share < _PERCENT:
        return "<1 %"
    if 1 - _PERCENT < share < 1:
        return ">99 %"
    return f"{share * 100:.0f} %"


def plural(number: int, noun: str) -> str:
    """`1 account`, `3 accounts`."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text: str) -> str:
    """The text with `�` for what could reorder or hide other text on the page.

    Names come from the gateway and from other people's keys.
    """
    return _UNSAFE.sub("\ufffd", text)


def account_url(name: str) -> str:
    """The address of an account's page."""
    return f"/?account={quote(name, safe='', errors='replace')}"

"""How Grafana writes a value in a unit."""

from __future__ import annotations

import math
from datetime import UTC, datetime

_TIMES = ((86_400.0, "days"), (3600.0, "hours"), (60.0, "mins"), (1.0, "s"), (0.001, "ms"))
_THOUSANDS = ((1e9, "B"), (1e6, "M"), (1e3, "K"))


def written(value: float, unit: str, decimals: int | None, now: float) -> str:
    """The text of a value; `now` (Unix s) is what times are told from."""
    if math.isnan(value):
        return "NaN"
    match unit:
        case "currencyUSD":
            sign = "-" if value < 0 else ""
            return f"{sign}${_short(abs(value), 2 if decimals is None else decimals)}"
        case "s":
            return _duration(value, decimals)
        case "percentunit":
            return f"{value * 100:.{decimals or 0}f}%"
        case "dateTimeFromNow":
            return _from_now(value / 1000 - now)
        case "short":
            return _short(value, decimals)
        case _:
            return f"{value:g}"


def clock(instant: float, range_: float) -> str:
    """A tick of a time axis that is `range_` seconds long."""
    moment = datetime.fromtimestamp(instant, UTC)
    return f"{moment:%m/%d}" if range_ > 3 * 86_400 else f"{moment:%H:%M}"


def _short(value: float, decimals: int | None) -> str:
    for size, suffix in _THOUSANDS:
        if abs(value) >= size:
            return f"{value / size:.{2 if decimals is None else decimals}f} {suffix}"
    if decimals is None:
        return f"{value:.3g}"
    return f"{value:.{decimals}f}"


def _duration(value: float, decimals: int | None) -> str:
    if value == 0:
        return "0 s"
    size, name = next(((size, name) for size, name in _TIMES if abs(value) >= size), (0.001, "ms"))
    number = value / size
    text = f"{number:.3g}" if decimals is None else f"{number:.{decimals}f}"
    return f"{text} {name.removesuffix('s') if text == '1' and len(name) > 2 else name}"


def _from_now(seconds: float) -> str:
    size, name = next(
        ((size, name) for size, name in _TIMES if abs(seconds) >= 1.5 * size), (1.0, "s")
    )
    text = f"{abs(seconds) / size:.0f} {'minutes' if name == 'mins' else name}"
    return f"in {text}" if seconds > 0 else f"{text} ago"

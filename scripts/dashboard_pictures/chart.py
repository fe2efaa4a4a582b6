"""Series over time as SVG: lines, stacked areas, columns, bands of states."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

from scripts.dashboard_pictures.grafana import Series
from scripts.dashboard_pictures.units import clock

COLORS = (
    "#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#fade2a",
    "#56a64b", "#e0b400", "#3274d9", "#fa6400",
)  # fmt: skip
NAMED = {"green": "#73bf69", "orange": "#ff9830", "red": "#f2495c", "blue": "#5794f2"}
GRID, FAINT = "#2c2f36", "#9fa3ab"

TENS = tuple(digit * 10.0**power for power in range(-6, 12) for digit in (1, 2, 2.5, 5))
TIMES = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200),
    *(days * 86_400 for days in (1, 2, 5, 10, 20, 50, 100, 365)),
)  # fmt: skip

_BOTTOM, _TOP, _RIGHT = 18, 6, 10
_CHARACTER = 6.2
"""Width of one character of a tick, in pixels."""


class Frame(NamedTuple):
    """A drawing area in pixels, and the range of time on it in Unix s."""

    width: int
    height: int
    since: float
    until: float


class Style(NamedTuple):
    """How series are drawn. `write` gives the text of a value."""

    write: Callable[[float], str]
    stacked: bool = False
    columns: bool = False
    step: int = 60
    soft_min: float | None = None
    thresholds: Sequence[tuple[float, str]] = ()
    limits: frozenset[int] = frozenset()
    """Places of series that are drawn as a dashed line, outside any stack."""
    marks: Sequence[float] = ()
    """Instants that are marked, Unix s."""
    colors: Sequence[str] = ()
    even: Sequence[float] = TENS
    """Distances between ticks to choose from."""


def draw(series: Sequence[Series], frame: Frame, style: Style) -> str:
    """An SVG with axes."""
    layers = _layers(series, style)
    low, high = _bounds(layers, style)
    ticks = _ticks(low, high, style.even)
    left = round(max(len(style.write(tick)) for tick in ticks) * _CHARACTER) + 10
    across = frame.width - left - _RIGHT
    down = frame.height - _BOTTOM - _TOP

    def x(instant: float) -> float:
        return left + (instant - frame.since) / (frame.until - frame.since) * across

    def y(value: float) -> float:
        return _TOP + (ticks[-1] - value) / (ticks[-1] - ticks[0]) * down

    parts = [_horizontal(tick, y(tick), left, frame, style) for tick in ticks]
    parts += _instants(frame, left, x)
    if style.columns:
        parts += _columns(layers, style, x, y, frame, across)
    else:
        parts += [
            _line(place, layer, style, x, y) for place, layer in reversed([*enumerate(layers)])
        ]
    parts += [
        f'<line x1="{left}" x2="{frame.width - _RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}" '
        f'stroke="{NAMED[color]}" stroke-dasharray="7 5" opacity=".8"/>'
        for value, color in style.thresholds
        if ticks[0] <= value <= ticks[-1]
    ]
    parts += [_mark(x(at), frame) for at in style.marks if frame.since <= at <= frame.until]
    return _svg(frame.width, frame.height, parts)


def states(
    series: Sequence[Series], names: Sequence[str], frame: Frame, color: Callable[[float], str]
) -> str:
    """A band for each series, in the colour of its value."""
    left = round(max(map(len, names), default=0) * _CHARACTER) + 12
    across = (frame.width - left - _RIGHT) / (frame.until - frame.since)
    band = (frame.height - _BOTTOM) / max(1, len(series))

    def x(instant: float) -> float:
        return left + (instant - frame.since) * across

    parts = _instants(frame, left, x)
    for place, (one, name) in enumerate(zip(series, names, strict=True)):
        top = place * band
        parts.append(
            f'<text x="{left - 8}" y="{top + band / 2 + 4:.1f}" text-anchor="end">'
            f"{escape(name)}</text>"
        )
        parts += [
            f'<rect x="{x(at):.1f}" y="{top + band * 0.1:.1f}" width="{60 * across + 0.6:.2f}" '
            f'height="{band * 0.8:.1f}" fill="{color(value)}"/>'
            for at, value in one.points
        ]
    return _svg(frame.width, frame.height, parts)


def sparkline(points: Sequence[tuple[float, float]], width: int, height: int, color: str) -> str:
    """A small area without axes."""
    values = [value for _, value in points]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    each = width / max(1, len(points) - 1)
    path = " ".join(
        f"{place * each:.1f},{height - 2 - (value - low) / span * (height - 4):.1f}"
        for place, value in enumerate(values)
    )
    area = f'<polygon points="0,{height} {path} {width},{height}" fill="{color}" opacity=".2"/>'
    return _svg(width, height, [area, f'<polyline points="{path}" fill="none" stroke="{color}"/>'])


def _layers(series: Sequence[Series], style: Style) -> list[list[tuple[float, float, float]]]:
    """Of each series: instant, bottom and top."""
    below: dict[float, float] = {}
    layers = []
    for place, one in enumerate(series):
        layer = []
        for at, value in one.points:
            if math.isnan(value):
                continue
            base = below.get(at, 0.0) if style.stacked and place not in style.limits else 0.0
            layer.append((at, base, base + value))
            if style.stacked and place not in style.limits:
                below[at] = base + value
        layers.append(layer)
    return layers


def _bounds(
    layers: Sequence[Sequence[tuple[float, float, float]]], style: Style
) -> tuple[float, float]:
    tops = [top for layer in layers for _, _, top in layer] or [0.0]
    low = min(tops) if style.soft_min is None else min(style.soft_min, *tops)
    return low, max(tops)


def _ticks(low: float, high: float, even: Sequence[float]) -> list[float]:
    """Three to six round values that hold both."""
    if high <= low:
        high = low + (abs(low) or 1.0)
    step = next((one for one in even if one >= (high - low) / 4), even[-1])
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(number * step, 10) for number in range(first, last + 1)]


def _horizontal(tick: float, y: float, left: int, frame: Frame, style: Style) -> str:
    return (
        f'<line x1="{left}" x2="{frame.width - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GRID}"/>'
        f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(style.write(tick))}</text>'
    )


def _instants(frame: Frame, left: int, x: Callable[[float], float]) -> list[str]:
    range_ = frame.until - frame.since
    most = max(2, (frame.width - left) // 80)
    steps = (300, 600, 900, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200, 86_400, 172_800)
    step = next((s for s in steps if range_ / s <= most), 172_800)
    first = int(-(-frame.since // step) * step)
    return [
        f'<text x="{x(at):.1f}" y="{frame.height - 3}" text-anchor="middle">'
        f"{clock(at, range_)}</text>"
        for at in range(first, int(frame.until) + 1, step)
        if left < x(at) < frame.width - 24
    ]


def _line(
    place: int,
    layer: Sequence[tuple[float, float, float]],
    style: Style,
    x: Callable[[float], float],
    y: Callable[[float], float],
) -> str:
    """One series, broken where points are missing."""
    limit = place in style.limits
    color = style.colors[place]
    parts = []
    for run in _runs(layer, style.step):
        top = " ".join(f"{x(at):.1f},{y(high):.1f}" for at, _, high in run)
        bottom = " ".join(f"{x(at):.1f},{y(low):.1f}" for at, low, _ in reversed(run))
        if not limit:
            opacity = 0.25 if style.stacked else 0.06
            parts.append(f'<polygon points="{top} {bottom}" fill="{color}" opacity="{opacity}"/>')
        dash = ' stroke-dasharray="8 6"' if limit else ""
        parts.append(f'<polyline points="{top}" fill="none" stroke="{color}"{dash}/>')
    return "".join(parts)


def _runs(
    layer: Sequence[tuple[float, float, float]], step: int
) -> list[list[tuple[float, float, float]]]:
    runs: list[list[tuple[float, float, float]]] = []
    for point in layer:
        if not runs or point[0] - runs[-1][-1][0] > 1.5 * step:
            runs.append([])
        runs[-1].append(point)
    return runs


def _columns(
    layers: Sequence[Sequence[tuple[float, float, float]]],
    style: Style,
    x: Callable[[float], float],
    y: Callable[[float], float],
    frame: Frame,
    across: int,
) -> list[str]:
    """A column that would stand before the range's begin is left out."""
    width = max(1.0, style.step * across / (frame.until - frame.since) * 0.7)
    since = frame.since
    return [
        f'<rect x="{x(at) - width / 2:.1f}" y="{y(high):.1f}" width="{width:.1f}" '
        f'height="{max(0.0, y(low) - y(high)):.1f}" fill="{style.colors[place]}" '
        'opacity=".8"/>'
        for place, layer in enumerate(layers)
        for at, low, high in layer
        if at >= since
    ]


def _mark(x: float, frame: Frame) -> str:
    bottom = frame.height - _BOTTOM
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{bottom}" stroke="#73bf69" '
        f'stroke-dasharray="3 3"/><polygon points="{x - 5:.1f},{bottom + 6} '
        f'{x + 5:.1f},{bottom + 6} {x:.1f},{bottom}" fill="#73bf69"/>'
    )


def _svg(width: int, height: int, parts: Sequence[str]) -> str:
    inside = "".join(parts)
    return f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}">{inside}</svg>'

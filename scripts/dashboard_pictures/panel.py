"""One panel as HTML: its title, and what its queries give."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

from scripts.dashboard_pictures import chart
from scripts.dashboard_pictures.grafana import (
    Json,
    Series,
    Source,
    View,
    answer,
    merged,
    name_of,
    of_panel,
    step_of,
)
from scripts.dashboard_pictures.units import written

_TITLE, _LEGEND, _LINE, _PADDING = 28, 22, 18, 8


class Box(NamedTuple):
    """A panel's size in pixels."""

    width: int
    height: int


def panel_html(
    source: Source, panel: Json, view: View, box: Box, marks: Sequence[float] = ()
) -> str:
    """The inside of a panel."""
    answers = [
        (target, answer(source, panel, target, view, box.width)) for target in panel["targets"]
    ]
    named = [(name_of(one, target), one) for target, found in answers for one in found]
    title = f"<h3>{escape(panel['title'])}{_range_note(panel)}</h3>"
    if not named:
        nothing = panel["fieldConfig"]["defaults"].get("noValue", "No data")
        return f'{title}<div class="nothing">{escape(nothing)}</div>'
    inner = Box(box.width - 2 * _PADDING, box.height - _TITLE - _PADDING)
    match panel["type"]:
        case "stat":
            return title + _stat(panel, named[0][1], view, inner)
        case "bargauge":
            return title + _bars(panel, named, view)
        case "table":
            return title + _table(panel, [found for _, found in answers], view)
        case "state-timeline":
            return title + _states(panel, named, view, inner)
    return title + _lines(panel, named, of_panel(view, panel), inner, marks)


def _range_note(panel: Json) -> str:
    return f"<em>last {panel['timeFrom']}</em>" if panel.get("timeFrom") else ""


def _steps(thresholds: Json) -> list[tuple[float, str]]:
    """Colours from a value on, the first from minus infinity."""
    return [
        (-math.inf if step["value"] is None else step["value"], step["color"])
        for step in thresholds["steps"]
    ]


def _color(value: float, steps: Sequence[tuple[float, str]]) -> str:
    return chart.NAMED[[color for least, color in steps if value >= least][-1]]


def _text(value: float, field: Json, view: View) -> tuple[str, str | None]:
    """The text of a value, and the colour of the word that stands for it, if one does."""
    for mapping in field.get("mappings") or []:
        found = mapping["options"].get(f"{value:g}")
        if found:
            return found["text"], chart.NAMED[found["color"]]
    return written(value, field.get("unit", ""), field.get("decimals"), view.until), None


def _stat(panel: Json, series: Series, view: View, box: Box) -> str:
    defaults = panel["fieldConfig"]["defaults"]
    value = series.points[-1][1]
    text, word = _text(value, defaults, view)
    color = word or _color(value, _steps(defaults["thresholds"]))
    line = ""
    if panel["options"]["graphMode"] == "area" and len(series.points) > 1:
        line = chart.sparkline(series.points, box.width, box.height // 3, color)
    size = min(box.height * 0.5, box.width / max(5, len(text)) * 1.5, 40)
    lift = f";padding-bottom:{box.height // 4}px" if line else ""
    number = f'<b style="color:{color};font-size:{size:.0f}px{lift}">{escape(text)}</b>'
    return f'<div class="stat" style="height:{box.height}px">{number}{line}</div>'


def _bars(panel: Json, named: Sequence[tuple[str, Series]], view: View) -> str:
    defaults = panel["fieldConfig"]["defaults"]
    steps = _steps(defaults["thresholds"])
    most = defaults.get("max") or max(one.points[-1][1] for _, one in named) or 1.0
    width = 30 if panel["gridPos"]["w"] >= 12 else 50
    rows = []
    for name, one in named:
        value = one.points[-1][1]
        color = _color(value, steps)
        text, _ = _text(value, defaults, view)
        share = min(100.0, max(0.0, value / most * 100))
        rows.append(
            f'<tr><td class="name" style="width:{width}%">{escape(name)}</td>'
            f'<td class="bar"><i style="width:{share:.1f}%;background:{color}"></i></td>'
            f'<td class="number" style="color:{color}">'
            f"{escape(text)}</td></tr>"
        )
    return f'<table class="bars">{"".join(rows)}</table>'


def _states(panel: Json, named: Sequence[tuple[str, Series]], view: View, box: Box) -> str:
    def color(value: float) -> str:
        return _text(value, panel["fieldConfig"]["defaults"], view)[1] or chart.FAINT

    frame = chart.Frame(box.width, box.height - _LEGEND, view.since, view.until)
    words = panel["fieldConfig"]["defaults"]["mappings"][0]["options"].values()
    legend = [(word["text"], chart.NAMED[word["color"]]) for word in words]
    names = [name for name, _ in named]
    below, _ = _legend(legend, box)
    return chart.states([one for _, one in named], names, frame, color) + below


def _lines(
    panel: Json,
    named: Sequence[tuple[str, Series]],
    view: View,
    box: Box,
    marks: Sequence[float],
) -> str:
    defaults = panel["fieldConfig"]["defaults"]
    custom = defaults["custom"]
    columns = custom.get("drawStyle") == "bars"
    own = _own(panel)
    limits = frozenset(p for p, (name, _) in enumerate(named) if "custom.lineStyle" in own(name))
    colors = [_line_color(place, own(name)) for place, (name, _) in enumerate(named)]
    dashed = custom.get("thresholdsStyle", {}).get("mode") == "dashed"
    style = chart.Style(
        write=lambda value: _axis(value, defaults, view),
        stacked=custom.get("stacking", {}).get("mode") == "normal",
        columns=columns,
        step=step_of(view, panel, box.width),
        soft_min=custom.get("axisSoftMin"),
        thresholds=[
            (least, _below(place, defaults))
            for place, (least, _) in enumerate(_limits(defaults), 1)
        ]
        if dashed
        else [],
        limits=limits,
        marks=marks,
        colors=colors,
        even=chart.TIMES if defaults.get("unit") == "s" else chart.TENS,
    )
    legend, lines = _legend([(n, color) for (n, _), color in zip(named, colors, strict=True)], box)
    height = box.height - _LEGEND - (lines - 1) * _LINE
    frame = chart.Frame(box.width, height, view.since, view.until)
    return chart.draw([one for _, one in named], frame, style) + legend


def _own(panel: Json) -> Callable[[str], Json]:
    """What a panel's overrides say of a series, by its name."""
    found = {
        override["matcher"]["options"]: {p["id"]: p["value"] for p in override["properties"]}
        for override in panel["fieldConfig"].get("overrides") or []
    }
    return lambda name: found.get(name, {})


def _line_color(place: int, own: Json) -> str:
    if "color" in own:
        return chart.NAMED[own["color"]["fixedColor"]]
    return chart.COLORS[place % len(chart.COLORS)]


def _limits(defaults: Json) -> list[tuple[float, str]]:
    return _steps(defaults["thresholds"])[1:]


def _below(place: int, defaults: Json) -> str:
    """The worse of the colours on both sides of a threshold."""
    pair = [color for _, color in _steps(defaults["thresholds"])[place - 1 : place + 1]]
    return next((color for color in ("red", "orange") if color in pair), pair[0])


def _axis(value: float, defaults: Json, view: View) -> str:
    """The text of a tick: no more decimals than it needs."""
    unit = defaults.get("unit", "")
    if unit == "currencyUSD" and abs(value) < 1000:
        sign = "-" if value < 0 else ""
        return f"{sign}${abs(value):g}"
    return written(value, unit, None if unit in ("s", "short") else 0, view.until)


def _legend(entries: Sequence[tuple[str, str]], box: Box) -> tuple[str, int]:
    """The legend, and how many lines it takes: three at most, as the rest would scroll."""
    lines, used = 1, 0.0
    for name, _ in entries:
        width = len(name) * 6.8 + 32
        if used and used + width > box.width:
            lines, used = lines + 1, 0.0
        used += width
    lines = min(lines, 3)
    inside = "".join(
        f'<span><i style="background:{color}"></i>{escape(name)}</span>' for name, color in entries
    )
    return f'<div class="legend" style="height:{lines * _LINE}px">{inside}</div>', lines


def _table(panel: Json, frames: Sequence[Sequence[Series]], view: View) -> str:
    organize = panel["transformations"][1]["options"]
    order, renamed = organize["indexByName"], organize["renameByName"]
    fields = {
        override["matcher"]["options"]: {p["id"]: p["value"] for p in override["properties"]}
        for override in panel["fieldConfig"]["overrides"]
    }
    columns = [
        (name, renamed[name], fields[renamed[name]]) for name in sorted(order, key=order.get)
    ]
    head = "".join(f"<th{_width(field)}>{escape(title)}</th>" for _, title, field in columns)
    body = "".join(
        "<tr>" + "".join(_cell(row.get(name), field, view) for name, _, field in columns) + "</tr>"
        for row in merged(frames)
    )
    return f'<table class="rows"><tr>{head}</tr>{body}</table>'


def _width(field: Json) -> str:
    return f' style="width:{field["custom.width"]}px"' if "custom.width" in field else ""


def _cell(value: str | float | None, field: Json, view: View) -> str:
    if value is None:
        return f'<td class="faint">{escape(field.get("noValue", ""))}</td>'
    if isinstance(value, str):
        link = ' class="link"' if "links" in field else ""
        return f"<td{link}>{escape(value)}</td>"
    text, word = _text(value, field, view)
    color = word or (_color(value, _steps(field["thresholds"])) if "thresholds" in field else "")
    if field.get("custom.cellOptions", {}).get("type") == "gauge":
        share = min(100.0, max(0.0, value * 100))
        bar = f'<u><i style="width:{share:.0f}%;background:{color}"></i></u>'
        return f'<td class="gauge">{bar}<span style="color:{color}">{escape(text)}</span></td>'
    style = f' style="color:{color}"' if color else ""
    return f"<td{style}>{escape(text)}</td>"

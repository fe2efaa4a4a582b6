"""A dashboard as HTML, on the grid of its JSON."""

from __future__ import annotations

from html import escape

from scripts.dashboard_pictures.grafana import Json, Source, View, step_of
from scripts.dashboard_pictures.panel import Box, panel_html

WIDTH = 1280
_MARGIN, _GAP, _ROW, _HEAD = 12, 8, 38, 62

_STYLE = """
* { box-sizing: border-box; margin: 0; }
body { background: #111217; color: #ccccdc; font: 12px/1.5 Inter, "DejaVu Sans", sans-serif;
  position: relative; }
header { padding: 12px 14px 0; } h1 { font-size: 17px; font-weight: 500; }
header span { background: #22252b; border-radius: 2px; margin-right: 8px; padding: 1px 8px; }
h2 { font-size: 14px; font-weight: 500; position: absolute; padding-top: 6px; }
h3 { font-size: 13px; font-weight: 500; height: 28px; padding: 5px 0; overflow: hidden;
  white-space: nowrap; } h3 em { color: #6e9fff; font-size: 11px; margin-left: 8px; }
section { background: #181b1f; border: 1px solid #25282e; border-radius: 2px; overflow: hidden;
  padding: 0 8px; position: absolute; }
svg text { fill: #9fa3ab; font-size: 11px; } svg { display: block; }
.stat { align-items: center; display: flex; flex-direction: column; justify-content: center;
  position: relative; } .stat svg { bottom: 0; left: 0; position: absolute; }
.stat b { font-weight: 500; line-height: 1.1; position: relative; white-space: nowrap; z-index: 1; }
.legend { line-height: 18px; overflow: hidden; }
.legend span { display: inline-block; margin-right: 12px; white-space: nowrap; }
.legend i { border-radius: 2px; display: inline-block; height: 4px;
  margin: 0 5px 3px 0; width: 14px; }
.nothing { color: #9fa3ab; padding-top: 24px; text-align: center; }
table { border-collapse: collapse; width: 100%; }
.rows { table-layout: fixed; } .rows th { color: #6e9fff; font-weight: 500; text-align: left; }
.rows td, .rows th { border-bottom: 1px solid #25282e; overflow: hidden; padding: 4px 6px;
  text-overflow: ellipsis; white-space: nowrap; }
.bars td { padding: 2px 4px; white-space: nowrap; }
.bars .name { overflow: hidden; max-width: 0; text-overflow: ellipsis; }
.bars .bar { background: #22252b; height: 20px; padding: 0; }
.bars i { display: block; height: 20px; }
.bars .number { text-align: right; width: 70px; } .bars tr { border-bottom: 3px solid #181b1f; }
.gauge u { background: #22252b; display: inline-block; height: 12px;
  margin-right: 6px; width: 70px; }
.gauge i { display: block; height: 12px; } .link { color: #6e9fff; } .faint { color: #9fa3ab; }
"""


def page_html(source: Source, dashboard: Json, view: View) -> tuple[str, int]:
    """The page, and its height in pixels."""
    marks = _marks(source, dashboard, view)
    parts, bottom = [], 0
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        column = (WIDTH - 2 * _MARGIN + _GAP) / 24
        left = round(_MARGIN + place["x"] * column)
        top = _HEAD + place["y"] * _ROW
        box = Box(round(place["w"] * column) - _GAP, place["h"] * _ROW - _GAP)
        bottom = max(bottom, top + box.height)
        where = f"left:{left}px;top:{top}px;width:{box.width}px;height:{box.height}px"
        if panel["type"] == "row":
            parts.append(f'<h2 style="{where}">{escape(panel["title"])}</h2>')
            continue
        inside = panel_html(source, panel, view, box, marks)
        parts.append(f'<section style="{where}">{inside}</section>')
    height = bottom + _MARGIN
    account = "All" if view.account == ".*" else view.account
    head = (
        f"<header><h1>{escape(dashboard['title'])}</h1><span>Account: {escape(account)}</span>"
        f"<span>{_range(dashboard)}</span></header>"
    )
    body = f'<body style="height:{height}px">{head}{"".join(parts)}</body>'
    return f'<!doctype html><meta charset="utf-8"><style>{_STYLE}</style>{body}', height


def _range(dashboard: Json) -> str:
    return f"Last {dashboard['time']['from'].removeprefix('now-')}"


def _marks(source: Source, dashboard: Json, view: View) -> list[float]:
    """Instants (Unix s) of the annotations that are switched on."""
    found: set[float] = set()
    for annotation in dashboard["annotations"]["list"]:
        if annotation["enable"]:
            step = step_of(view, {}, WIDTH)
            for series in source.over_time(annotation["expr"], view, step):
                found |= {value / 1000 for _, value in series.points}
    return sorted(found)

"""What Grafana does to a query: fills in its variables, chooses a step, joins tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import httpx

Json = dict[str, Any]

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SCRAPE = 60
"""The least step of the panels stands for the data source's own interval."""


class Series(NamedTuple):
    """One series: labels, and (Unix s, value) in order of time."""

    labels: dict[str, str]
    points: list[tuple[float, float]]


class View(NamedTuple):
    """What a reader has chosen: the range in Unix s, and the account (a pattern)."""

    since: float
    until: float
    account: str


def seconds(duration: str) -> int:
    """`24h` → 86,400."""
    return int(duration[:-1]) * _SECONDS[duration[-1]]


def of_panel(view: View, panel: Json) -> View:
    """The view with the panel's own range, if it has one."""
    last = panel.get("timeFrom")
    return view._replace(since=view.until - seconds(last)) if last else view


def step_of(view: View, panel: Json, width: int) -> int:
    """Seconds between two points of a panel so many pixels wide."""
    least = seconds(panel.get("interval") or "1m")
    wanted = (view.until - view.since) / max(1, panel.get("maxDataPoints") or width)
    return max(least, int(-(-wanted // least)) * least)


def interpolate(expr: str, view: View, step: int) -> str:
    """The query as it is sent."""
    rate = max(step + _SCRAPE, 4 * _SCRAPE)
    values = {
        "$__rate_interval": f"{rate}s",
        "$__range": f"{round(view.until - view.since)}s",
        "$account": view.account,
    }
    return re.sub(r"\$\w+", lambda found: values[found[0]], expr)


class Source:
    """A data source: whatever answers Prometheus' HTTP API at `url`. Use it with `with`."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=60, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def over_time(self, expr: str, view: View, step: int) -> list[Series]:
        """A query of a range, at multiples of the step. Raises ValueError."""
        found = self._ask(
            "query_range",
            query=interpolate(expr, view, step),
            start=str(view.since // step * step),
            end=str(view.until // step * step),
            step=str(step),
        )
        return [Series(s["metric"], [(t, float(v)) for t, v in s["values"]]) for s in found]

    def instant(self, expr: str, view: View) -> list[Series]:
        """A query of the range's end, in the order of the answer."""
        query = interpolate(expr, view, _SCRAPE)
        found = self._ask("query", query=query, time=str(view.until))
        return [Series(s["metric"], [(s["value"][0], float(s["value"][1]))]) for s in found]

    def _ask(self, path: str, **parameters: str) -> list[Json]:
        # VictoriaMetrics would cut the newest points off what it remembers.
        answer = self._http.get(f"/api/v1/{path}", params=parameters | {"nocache": "1"})
        if answer.is_error:
            raise ValueError(f"{parameters['query']}: {answer.text.strip()}")
        found: list[Json] = answer.json()["data"]["result"]
        return found


def answer(source: Source, panel: Json, target: Json, view: View, width: int) -> list[Series]:
    """What one query of a panel gives."""
    own = of_panel(view, panel)
    if target.get("range"):
        return source.over_time(target["expr"], own, step_of(own, panel, width))
    return source.instant(target["expr"], own)


def name_of(series: Series, target: Json) -> str:
    """What the series is called in the legend."""
    legend = str(target.get("legendFormat", ""))
    return re.sub(r"\{\{(\w+)\}\}", lambda found: series.labels.get(found[1], ""), legend)


def merged(frames: Sequence[Sequence[Series]]) -> list[dict[str, str | float]]:
    """Rows of the `merge` transformation: what agrees in the labels it shares is one row."""
    rows: list[dict[str, str | float]] = []
    for place, frame in enumerate(frames):
        column = "Value" if len(frames) == 1 else f"Value #{chr(ord('A') + place)}"
        for series in frame:
            row = next((row for row in rows if _agree(row, series.labels, column)), None)
            if row is None:
                row = {}
                rows.append(row)
            row |= {**series.labels, column: series.points[-1][1]}
    return rows


def _agree(row: dict[str, str | float], labels: dict[str, str], column: str) -> bool:
    shared = row.keys() & labels.keys()
    return column not in row and bool(shared) and all(row[name] == labels[name] for name in shared)

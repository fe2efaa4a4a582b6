"""What Grafana asks of a data source for a panel: its variables are filled in, a step is chosen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import httpx

Json = dict[str, Any]

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SCRAPE = 60
"""The least step of the panels stands for the data source's own interval."""


class Series(NamedTuple):
    """One series: labels, and (Unix s, value) in order of time."""

    labels: Mapping[str, str]
    points: list[tuple[float, float]]


class View(NamedTuple):
    """What a reader has chosen: the range in Unix s, and the account (a pattern)."""

    since: float
    until: float
    account: str


def seconds(duration: str) -> int:
    """`24h` → 86,400."""
    return int(duration[:-1]) * _SECONDS[duration[-1]]


def step_of(view: View, panel: Json) -> int:
    """Seconds between two points of a panel, about one for each pixel of its width."""
    least = seconds(panel.get("interval") or "1m")
    points = panel.get("maxDataPoints") or 50 * panel["gridPos"]["w"]
    return max(least, int(-(-(view.until - view.since) / points // least)) * least)


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
        start, end = (str(instant // step * step) for instant in (view.since, view.until))
        return self._ask("query_range", expr, view, step, start=start, end=end, step=str(step))

    def instant(self, expr: str, view: View) -> list[Series]:
        """A query of the range's end, in the order of the answer. Raises ValueError."""
        return self._ask("query", expr, view, _SCRAPE, time=str(view.until))

    def answers(self, panel: Json, view: View) -> Json:
        """What each query of a panel gives, by its letter. Raises ValueError."""
        last = panel.get("timeFrom")
        own = view._replace(since=view.until - seconds(last)) if last else view
        step = step_of(own, panel)
        return {
            target["refId"]: {
                "step": step,
                "series": [
                    series._asdict()
                    for series in (
                        self.over_time(target["expr"], own, step)
                        if target.get("range")
                        else self.instant(target["expr"], own)
                    )
                ],
            }
            for target in panel["targets"]
        }

    def _ask(
        self, path: str, expr: str, view: View, interval: int, **parameters: str
    ) -> list[Series]:
        values = {
            "$__rate_interval": f"{max(interval + _SCRAPE, 4 * _SCRAPE)}s",
            "$__range": f"{round(view.until - view.since)}s",
            "$account": view.account,
        }
        query = re.sub(r"\$\w+", lambda found: values[found[0]], expr)
        # VictoriaMetrics would cut the newest points off what it remembers.
        answer = self._http.get(
            f"/api/v1/{path}", params={"query": query, "nocache": "1"} | parameters
        )
        if answer.is_error:
            raise ValueError(f"{query}: {answer.text.strip()}")
        return [
            Series(one["metric"], [(t, float(v)) for t, v in one.get("values") or [one["value"]]])
            for one in answer.json()["data"]["result"]
        ]

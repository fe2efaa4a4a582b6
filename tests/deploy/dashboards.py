"""The shipped dashboards: their panels, queries, and what Grafana would put for their variables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "dashboards"
IN_CHART = ROOT / "deploy" / "helm" / "bytespike-exporter" / "dashboards"
NAMES = ("bytespike-overview", "bytespike-account", "bytespike-exporter")

Json = dict[str, Any]


class PanelQuery(NamedTuple):
    """One query of a panel. `over_time`: it is asked for a range, else for an instant."""

    dashboard: str
    panel: str
    ref: str
    expr: str
    over_time: bool

    @property
    def where(self) -> str:
        return f"{self.dashboard} / {self.panel} / {self.ref}"


def load(name: str, folder: Path = FOLDER) -> Json:
    """One dashboard, as committed."""
    document: Json = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return document


def panels(dashboard: Json) -> list[Json]:
    """Every panel that shows something."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries(name: str) -> Iterator[PanelQuery]:
    """Every query of every panel, and of the annotations."""
    dashboard = load(name)
    for panel in panels(dashboard):
        for target in panel["targets"]:
            range_ = target.get("range", False)
            yield PanelQuery(name, panel["title"], target["refId"], target["expr"], range_)
    for annotation in dashboard["annotations"]["list"]:
        yield PanelQuery(name, annotation["name"], "annotation", annotation["expr"], True)


def all_queries() -> list[PanelQuery]:
    return [query for name in NAMES for query in queries(name)]

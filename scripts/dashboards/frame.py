"""The frame of every dashboard: variables, links, layout, and how it becomes JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from exporter.metrics.attributes import ACCOUNT
from exporter.metrics.catalogue import GATEWAY_UP
from exporter.metrics.prometheus import label_name, prometheus_name
from scripts.dashboards.panels import DATASOURCE, Tile

TAG = "bytespike"
COLUMNS = 24

OVERVIEW, IN_DEPTH, HEALTH = "bytespike-overview", "bytespike-account", "bytespike-exporter"
"""Each dashboard's `uid`, which never changes: links and bookmarks hold it."""


class Section(NamedTuple):
    """A heading, and the panels below it from left to right; a full line begins the next."""

    title: str
    tiles: Sequence[Tile]


class Page(NamedTuple):
    """One dashboard. `many`: whether several accounts may be chosen at once."""

    uid: str
    title: str
    description: str
    sections: Sequence[Section]
    many: bool
    since: str = "now-24h"
    annotations: Sequence[model.AnnotationQuery] = ()


def account_link(account: str) -> str:
    """The URL of one account in depth; `account` is a Grafana expression."""
    return f"/d/{IN_DEPTH}?${{datasource:queryparam}}&var-account={account}&${{__url_time_range}}"


def linked(tiles: list[Tile]) -> list[Tile]:
    """The same, whose series carry an account's name and lead to that account in depth."""
    url = account_link(f"${{__field.labels.{label_name(ACCOUNT)}}}")
    for tile in tiles:
        assert tile.panel.field_config is not None
        tile.panel.field_config.defaults.links = [
            build.DashboardLink("Account in depth").url(url).build()
        ]
    return tiles


def text(make: Callable[[], Page]) -> str:
    """The dashboard as JSON, as it is committed."""
    page = make()
    made = json.dumps(dashboard(page), cls=JSONEncoder, indent=2, ensure_ascii=False) + "\n"
    # One chosen account is matched exactly: as a pattern, the dot in a name would match anything.
    return made if page.many else made.replace('=~\\"$account\\"', '=\\"$account\\"')


def dashboard(page: Page) -> model.Dashboard:
    made = build.Dashboard(page.title).uid(page.uid).description(page.description).tags([TAG])
    made.time(page.since, "now").refresh("1m").timezone("browser").editable()
    made.tooltip(model.DashboardCursorSync.CROSSHAIR)
    source = build.DatasourceVariable("datasource").label("Data source").type("prometheus")
    made.variables([source.multi(False), _account(page.many)]).links([_siblings()])
    result = made.build()
    result.annotations = model.AnnotationContainer(list(page.annotations))
    result.panels = _laid_out(page.sections)
    return result


def _account(many: bool) -> build.QueryVariable:
    query = f"label_values({prometheus_name(GATEWAY_UP)}, {label_name(ACCOUNT)})"
    variable = build.QueryVariable("account").label("Account").datasource(DATASOURCE)
    variable.query({"query": query, "refId": "account"})
    variable.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
    variable.sort(model.VariableSort.ALPHABETICAL_ASC).multi(many).include_all(many)
    if many:
        variable.all_value(".*")
        variable.current(model.VariableOption(text=["All"], value=["$__all"]))
    return variable


def _siblings() -> build.DashboardLink:
    links = build.DashboardLink("ByteSpike").type(model.DashboardLinkType.DASHBOARDS)
    return links.tags([TAG]).keep_time(True).include_vars(True).as_dropdown(False)


def _laid_out(sections: Sequence[Section]) -> list[model.Panel | model.RowPanel]:
    placed: list[model.Panel | model.RowPanel] = []
    top = 0
    for section in sections:
        row = build.Row(section.title).build()
        row.id_val, row.grid_pos = len(placed) + 1, model.GridPos(h=1, w=COLUMNS, x=0, y=top)
        placed.append(row)
        top += 1
        left = height = 0
        for tile in section.tiles:
            if left + tile.width > COLUMNS:
                left, top, height = 0, top + height, 0
            tile.panel.id_val = len(placed) + 1
            tile.panel.grid_pos = model.GridPos(h=tile.height, w=tile.width, x=left, y=top)
            placed.append(tile.panel)
            left, height = left + tile.width, max(height, tile.height)
        top += height
    return placed

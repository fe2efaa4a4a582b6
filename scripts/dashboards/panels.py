"""Panels: one function for each kind, so that all of a kind look and behave alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

from grafana_foundation_sdk.builders import bargauge, prometheus, stat, statetimeline, table
from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import timeseries as timeseries_builders
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

DATASOURCE = model.DataSourceRef("prometheus", "${datasource}")
STEP = "1m"
"""The least step: the exporter polls once a minute."""

GREEN, ORANGE, RED, BLUE, GREY = "green", "orange", "red", "blue", "text"

Steps = Sequence[tuple[float | None, str]]
"""Colours from a value on, ascending; the first from None, which stands for minus infinity."""

PLAIN: Steps = ((None, BLUE),)


class Query(NamedTuple):
    """One query of a panel, and what its series are called (`{{label}}` where it has several)."""

    expr: str
    legend: str


class Text(NamedTuple):
    """What a reader is told about a panel."""

    title: str
    description: str


class Field(NamedTuple):
    """How values are written and coloured. `nothing` is said where there is no series."""

    unit: str
    decimals: int | None = None
    steps: Steps = PLAIN
    nothing: str | None = None


class Column(NamedTuple):
    """A column of a table: its heading, how it is written, its width in pixels, and its look."""

    heading: str
    field: Field = Field("string")
    width: int | None = None
    gauge: bool = False
    values: Mapping[str, tuple[str, str]] | None = None
    """Values that are shown as a word in a colour."""


class Look(NamedTuple):
    """How series over time are drawn."""

    stacked: bool = False
    columns: bool = False
    """As bars, one for each step."""
    step: str = STEP
    last: str | None = None
    """Shows that much of the past, whatever range is chosen."""
    limit: str | None = None
    """The series that is a limit of the others."""
    signed: bool = False
    """Values may be below zero."""
    colors: Mapping[str, str] = {}
    """Series that have a colour of their own, by name."""


LINES = Look()
STACKED = Look(stacked=True)

B = TypeVar(
    "B",
    stat.Panel,
    bargauge.Panel,
    timeseries_builders.Panel,
    table.Panel,
    statetimeline.Panel,
)


def single(
    text: Text,
    query: Query,
    field: Field,
    *,
    values: Mapping[str, tuple[str, str]] | None = None,
    sparkline: bool = False,
) -> model.Panel:
    """One number. With a sparkline it shows the newest value of a range."""
    panel = _described(stat.Panel(), text, field).targets([_target("A", query, sparkline)])
    panel.color_mode(common.BigValueColorMode.VALUE).reduce_options(_newest())
    graph = common.BigValueGraphMode.AREA if sparkline else common.BigValueGraphMode.NONE
    panel.graph_mode(graph).text_mode(common.BigValueTextMode.VALUE)
    if sparkline:  # the newest point of a coarse range would be minutes old
        panel.max_data_points(1000)
    if values:
        panel.mappings([_words(values)])
    return panel.build()


def bars(
    text: Text,
    query: Query,
    field: Field,
    *,
    most: float | None = None,
    links: Sequence[build.DashboardLink] = (),
) -> model.Panel:
    """A horizontal bar for each series of an instant, in the order of the query."""
    panel = _described(bargauge.Panel(), text, field).targets([_target("A", query, False)])
    panel.orientation(common.VizOrientation.HORIZONTAL).reduce_options(_newest())
    panel.display_mode(common.BarGaugeDisplayMode.BASIC).min(0).data_links(list(links))
    panel.name_placement(common.BarGaugeNamePlacement.LEFT)
    panel.value_mode(common.BarGaugeValueMode.TEXT)
    panel.sizing(common.BarGaugeSizing.MANUAL).min_viz_height(20).max_viz_height(28)
    if most is not None:
        panel.max(most)
    return panel.build()


def lines(
    text: Text,
    queries: Sequence[Query],
    field: Field,
    look: Look = LINES,
    links: Sequence[build.DashboardLink] = (),
) -> model.Panel:
    """Series over time. Where a field has several colours, dashed lines show where they change."""
    panel = _described(timeseries_builders.Panel(), text, field).interval(look.step)
    panel.targets([_target(chr(ord("A") + n), query, True) for n, query in enumerate(queries)])
    panel.draw_style(common.GraphDrawStyle.BARS if look.columns else common.GraphDrawStyle.LINE)
    panel.line_width(1).fill_opacity(70 if look.columns else 20 if look.stacked else 6)
    panel.show_points(common.VisibilityMode.NEVER).data_links(list(links))
    panel.span_nulls(False).color_scheme(
        build.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC)
    )
    panel.legend(_legend()).tooltip(_tooltip())
    if not look.signed:
        panel.axis_soft_min(0)
    if look.stacked:
        stacking = common_builders.StackingConfig().mode(common.StackingMode.NORMAL).group("A")
        panel.stacking(stacking)
    if len(field.steps) > 1:
        style = common_builders.GraphThresholdsStyleConfig()
        panel.thresholds_style(style.mode(common.GraphThresholdsStyleMode.DASHED))
    if look.last is not None:
        panel.time_from(look.last)
    if look.limit is not None:
        panel.override_by_name(look.limit, _limit())
    for name, color in look.colors.items():
        panel.override_by_name(name, [_fixed(color)])
    return panel.build()


def states(
    text: Text, query: Query, values: Mapping[str, tuple[str, str]], field: Field
) -> model.Panel:
    """A band over time for each series, in the colour and word of its value."""
    panel = _described(statetimeline.Panel(), text, field).interval(STEP)
    panel.targets([_target("A", query, True)]).mappings([_words(values)])
    panel.show_value(common.VisibilityMode.NEVER).row_height(0.8).fill_opacity(80)
    panel.legend(_legend()).tooltip(_tooltip())
    return panel.build()


def rows(
    text: Text,
    queries: Sequence[str],
    columns: Mapping[str, Column],
    *,
    links: Mapping[str, str] | None = None,
    hidden: Sequence[str] = (),
    nothing: str | None = None,
) -> model.Panel:
    """A table of instants: series that agree in their labels share a row.

    `columns` are by label, or `Value #A` for the first query's values, from left to right.
    Rows stand in the order of the first query. `links` are URLs by heading,
    `hidden` columns are left out. `nothing` is said where there is no row.
    """
    panel = _described(table.Panel(), text, Field("string", nothing=nothing))
    panel.targets([_target(chr(ord("A") + n), Query(q, ""), None) for n, q in enumerate(queries)])
    organize = {
        "excludeByName": dict.fromkeys(("Time", *hidden), True),
        "indexByName": {name: place for place, name in enumerate(columns)},
        "renameByName": {name: column.heading for name, column in columns.items()},
    }
    panel.transformations(
        [
            model.DataTransformerConfig("merge", options={}),
            model.DataTransformerConfig("organize", options=organize),
        ]
    )
    for column in columns.values():
        link = (links or {}).get(column.heading)
        panel.override_by_name(column.heading, _properties(column, link))
    return panel.build()


def _described(panel: B, text: Text, field: Field) -> B:
    panel.title(text.title).description(text.description).datasource(DATASOURCE)
    panel.unit(field.unit).thresholds(_thresholds(field.steps))
    panel.color_scheme(build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
    if field.decimals is not None:
        panel.decimals(field.decimals)
    if field.nothing is not None:
        panel.no_value(field.nothing)
    return panel


def _target(ref: str, query: Query, over_time: bool | None) -> prometheus.Dataquery:
    """`over_time` None: an instant for a table."""
    target = prometheus.Dataquery().ref_id(ref).expr(query.expr).datasource(DATASOURCE)
    if over_time:
        return target.range().legend_format(query.legend).interval(STEP)
    if over_time is None:
        return target.instant().format(PromQueryFormat.TABLE)
    return target.instant().legend_format(query.legend)


def _thresholds(steps: Steps) -> build.ThresholdsConfig:
    made = [model.Threshold(value, color) for value, color in steps]
    return build.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(made)


def _newest() -> common_builders.ReduceDataOptions:
    return common_builders.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields("")


def _legend() -> common_builders.VizLegendOptions:
    legend = common_builders.VizLegendOptions().display_mode(common.LegendDisplayMode.LIST)
    return legend.placement(common.LegendPlacement.BOTTOM).show_legend(True).calcs([])


def _tooltip() -> common_builders.VizTooltipOptions:
    tooltip = common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI)
    return tooltip.sort(common.SortOrder.DESCENDING)


def _words(values: Mapping[str, tuple[str, str]]) -> model.ValueMap:
    return model.ValueMap(
        {
            value: model.ValueMappingResult(text=text, color=color, index=place)
            for place, (value, (text, color)) in enumerate(values.items())
        }
    )


def _limit() -> list[model.DynamicConfigValue]:
    return [
        model.DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [8, 6]}),
        model.DynamicConfigValue("custom.fillOpacity", 0),
        _fixed(RED),
    ]


def _fixed(color: str) -> model.DynamicConfigValue:
    return model.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color})


def _properties(column: Column, link: str | None) -> list[model.DynamicConfigValue]:
    found: dict[str, object] = {"unit": column.field.unit}
    if column.field.decimals is not None:
        found["decimals"] = column.field.decimals
    if column.field.nothing is not None:
        found["noValue"] = column.field.nothing
    if column.width is not None:
        found["custom.width"] = column.width
    if column.gauge:
        found |= {"custom.cellOptions": {"type": "gauge", "mode": "basic"}, "min": 0, "max": 1}
    elif column.values or len(column.field.steps) > 1:
        found["custom.cellOptions"] = {"type": "color-text"}
    if len(column.field.steps) > 1:
        found["thresholds"] = _thresholds(column.field.steps).build()
    if column.values:
        found["mappings"] = [_words(column.values)]
    if link is not None:
        found["links"] = [{"title": f"{column.heading} in depth", "url": link}]
    return [model.DynamicConfigValue(name, value) for name, value in found.items()]

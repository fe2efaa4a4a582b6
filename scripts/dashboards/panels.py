"""Panels: one function for each kind, so that all of a kind look and behave alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from string import ascii_uppercase
from typing import NamedTuple, TypeVar

from grafana_foundation_sdk.builders import bargauge, prometheus, stat, statetimeline, table
from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import timeseries as timeseries_builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

DATASOURCE = model.DataSourceRef("prometheus", "${datasource}")
STEP = "1m"
"""The least step: the exporter polls once a minute."""

GREEN, ORANGE, RED, BLUE = "green", "orange", "red", "blue"

Steps = Sequence[tuple[float | None, str]]
"""Colours from a value on, ascending; the first from None, which stands for minus infinity."""

PLAIN: Steps = ((None, BLUE),)


class Tile(NamedTuple):
    """A panel and its size: columns of 24, and rows of 38 pixels."""

    panel: model.Panel
    width: int
    height: int


Query = Mapping[str, str]
"""Expressions by what their series are called, with `{{label}}` where there are several."""

Size = tuple[int, int]
"""Width and height of a tile."""
SMALL: Size = (8, 7)


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
    url: str | None = None


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
    "B", stat.Panel, bargauge.Panel, timeseries_builders.Panel, table.Panel, statetimeline.Panel
)


def single(
    title: str,
    about: str,
    expr: str,
    field: Field,
    *,
    values: Mapping[str, tuple[str, str]] | None = None,
    sparkline: bool = False,
) -> Tile:
    """One number. With a sparkline it shows the newest value of a range."""
    panel = _described(stat.Panel(), title, about, field)
    panel.targets(_targets({"": expr}, over_time=sparkline))
    panel.color_mode(common.BigValueColorMode.VALUE).reduce_options(_newest())
    graph = common.BigValueGraphMode.AREA if sparkline else common.BigValueGraphMode.NONE
    panel.graph_mode(graph).text_mode(common.BigValueTextMode.VALUE)
    if sparkline:  # the newest point of a coarse range would be minutes old
        panel.max_data_points(1000)
    if values:
        panel.mappings([_words(values)])
    return Tile(panel.build(), 4, 4)


def bars(
    title: str,
    about: str,
    query: Query,
    field: Field,
    size: Size = SMALL,
    *,
    most: float | None = None,
) -> Tile:
    """A horizontal bar for each series of an instant, in the order of the query."""
    panel = _described(bargauge.Panel(), title, about, field).targets(_targets(query))
    panel.orientation(common.VizOrientation.HORIZONTAL).reduce_options(_newest())
    panel.display_mode(common.BarGaugeDisplayMode.BASIC).min(0).data_links([])
    panel.name_placement(common.BarGaugeNamePlacement.LEFT)
    panel.value_mode(common.BarGaugeValueMode.TEXT)
    panel.sizing(common.BarGaugeSizing.MANUAL).min_viz_height(20).max_viz_height(28)
    if most is not None:
        panel.max(most)
    return Tile(panel.build(), *size)


def lines(
    title: str,
    about: str,
    query: Query,
    field: Field,
    size: Size = SMALL,
    look: Look = LINES,
) -> Tile:
    """Series over time. Where a field has several colours, dashed lines show where they change."""
    panel = _described(timeseries_builders.Panel(), title, about, field).interval(look.step)
    panel.targets(_targets(query, over_time=True))
    panel.draw_style(common.GraphDrawStyle.BARS if look.columns else common.GraphDrawStyle.LINE)
    panel.line_width(1).fill_opacity(70 if look.columns else 20 if look.stacked else 6)
    panel.show_points(common.VisibilityMode.NEVER).data_links([])
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
    return Tile(panel.build(), *size)


def states(
    title: str, about: str, query: Query, values: Mapping[str, tuple[str, str]], size: Size
) -> Tile:
    """A band over time for each series, in the colour and word of its value."""
    panel = _described(statetimeline.Panel(), title, about, Field("short")).interval(STEP)
    panel.targets(_targets(query, over_time=True)).mappings([_words(values)])
    panel.show_value(common.VisibilityMode.NEVER).row_height(0.8).fill_opacity(80)
    panel.legend(_legend()).tooltip(_tooltip())
    return Tile(panel.build(), *size)


def rows(
    title: str,
    about: str,
    queries: Sequence[str],
    columns: Mapping[str, Column],
    size: Size = SMALL,
    *,
    hidden: Sequence[str] = (),
    nothing: str | None = None,
) -> Tile:
    """A table of instants: series that agree in their labels share a row.

    `columns` are by label, or `Value #A` for the first query's values, from left to right.
    Rows stand in the order of the first query. `hidden` columns are left out. `nothing` is said
    where there is no row.
    """
    panel = _described(table.Panel(), title, about, Field("string", nothing=nothing))
    panel.targets(
        [_target(*each).instant().format(PromQueryFormat.TABLE) for each in _lettered(queries)]
    )
    organize = {
        "excludeByName": dict.fromkeys(("Time", *hidden), True),
        "indexByName": {name: place for place, name in enumerate(columns)},
        "renameByName": {name: column.heading for name, column in columns.items()},
    }
    steps: dict[str, object] = {"merge": {}, "organize": organize}
    panel.transformations(
        [model.DataTransformerConfig(name, options=options) for name, options in steps.items()]
    )
    for column in columns.values():
        panel.override_by_name(column.heading, _properties(column))
    return Tile(panel.build(), *size)


def _described(panel: B, title: str, about: str, field: Field) -> B:
    panel.title(title).description(about).datasource(DATASOURCE)
    panel.unit(field.unit).thresholds(_thresholds(field.steps))
    panel.color_scheme(build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
    if field.decimals is not None:
        panel.decimals(field.decimals)
    if field.nothing is not None:
        panel.no_value(field.nothing)
    return panel


def _targets(query: Query, *, over_time: bool = False) -> list[Builder[Dataquery]]:
    targets: list[Builder[Dataquery]] = []
    for ref, legend in _lettered(query):
        target = _target(ref, query[legend]).legend_format(legend)
        targets.append(target.range().interval(STEP) if over_time else target.instant())
    return targets


def _target(ref: str, expr: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().ref_id(ref).expr(expr).datasource(DATASOURCE)


def _lettered(values: Iterable[str]) -> Iterable[tuple[str, str]]:
    return zip(ascii_uppercase, values, strict=False)


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


def _properties(column: Column) -> list[model.DynamicConfigValue]:
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
    if column.url is not None:
        found["links"] = [{"title": f"{column.heading} in depth", "url": column.url}]
    return [model.DynamicConfigValue(name, value) for name, value in found.items()]

import re
from itertools import combinations

import pytest

from exporter.metrics.catalogue import CATALOGUE
from exporter.metrics.metric import MetricKind
from exporter.metrics.prometheus import prometheus_name
from scripts.alerts import read
from tests.deploy import dashboards
from tests.deploy.dashboards import IN_CHART, NAMES, Json, all_queries, load, panels
from tests.deploy.promql import metrics, problems
from tests.deploy.shipped import Query, rule_queries

NEITHER_SHOWN_NOR_ALERTED_ON: dict[str, str] = {}
"""Metrics that no dashboard and no rule reads, and why. There are none."""


Every = pytest.mark.parametrize("name", NAMES)


def show(panel: Json) -> str:
    return f"{panel['title']} {panel['gridPos']}"


def overlap(one: Json, other: Json) -> bool:
    a, b = one["gridPos"], other["gridPos"]
    beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
    apart = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
    return not (beside or apart)


def units(panel: Json) -> set[str]:
    """Of the panel's values: a table has one for each column."""
    defaults = panel["fieldConfig"]["defaults"]
    if panel["type"] != "table":
        return {defaults.get("unit", "")}
    columns = [{p["id"]: p["value"] for p in o["properties"]} for o in overrides(panel)]
    return {column.get("unit", "") for column in columns}


def overrides(panel: Json) -> list[Json]:
    found: list[Json] = panel["fieldConfig"].get("overrides") or []
    return found


def thresholds(panel: Json) -> set[float]:
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    return {step["value"] for step in steps if step["value"] is not None}


@Every
def test_a_dashboard_has_the_schema_of_current_grafana_and_a_stable_uid(name: str) -> None:
    dashboard = load(name)
    assert dashboard["schemaVersion"] == 41
    assert dashboard["uid"] == name
    assert dashboard.get("id") is None
    assert dashboard["title"].startswith("ByteSpike / ")
    assert dashboard["description"]


@Every
def test_every_panel_says_what_it_shows_and_in_which_unit(name: str) -> None:
    for panel in panels(load(name)):
        assert panel["title"], panel
        assert panel["description"].endswith("."), panel["title"]
        assert "" not in units(panel), panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["targets"], panel["title"]


@Every
def test_panels_have_ids_of_their_own_and_lie_beside_each_other(name: str) -> None:
    every = load(name)["panels"]
    ids = [panel["id"] for panel in every]
    assert sorted(set(ids)) == sorted(ids)
    for panel in every:
        place = panel["gridPos"]
        assert place["w"] > 0, show(panel)
        assert place["h"] > 0, show(panel)
        assert place["x"] >= 0, show(panel)
        assert place["x"] + place["w"] <= 24, show(panel)
    for one, other in combinations(every, 2):
        assert not overlap(one, other), f"{show(one)} and {show(other)}"


@Every
def test_no_two_panels_of_a_dashboard_have_the_same_title(name: str) -> None:
    titles = [panel["title"] for panel in panels(load(name))]
    assert sorted(set(titles)) == sorted(titles)


@Every
def test_data_source_and_account_can_be_chosen(name: str) -> None:
    variables = {v["name"]: v for v in load(name)["templating"]["list"]}
    assert list(variables) == ["datasource", "account"]
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    account = variables["account"]
    assert account["query"]["query"] == "label_values(bytespike_gateway_up, bytespike_account_name)"
    assert account["multi"] is account["includeAll"] is (name != "bytespike-account")


@Every
def test_the_dashboards_link_to_each_other(name: str) -> None:
    dashboard = load(name)
    [link] = dashboard["links"]
    assert link["type"] == "dashboards"
    assert set(link["tags"]) <= set(dashboard["tags"])
    assert link["keepTime"]
    assert link["includeVars"]


def test_links_of_values_lead_to_a_dashboard_that_exists() -> None:
    text = "".join((dashboards.FOLDER / f"{name}.json").read_text() for name in NAMES)
    targets = re.findall(r'"url": "/d/([\w-]+)\?', text)
    assert len(targets) > 5
    assert set(targets) <= set(NAMES)


@Every
def test_the_copy_in_the_chart_is_the_same(name: str) -> None:
    assert load(name) == load(name, IN_CHART)


def test_every_query_names_only_what_the_exporter_has() -> None:
    queries = all_queries()
    assert len(queries) > 60
    assert [f"{q.where}: {problem}" for q in queries for problem in problems(q.expr)] == []


def test_every_metric_is_shown_or_alerted_on_or_is_listed_as_neither() -> None:
    shown = [Query(query.where, query.expr) for query in all_queries()]
    used = {name for query in (*shown, *rule_queries()) for name in metrics(query.text)}
    everything = {prometheus_name(m) for m in CATALOGUE}
    assert everything - used == set(NEITHER_SHOWN_NOR_ALERTED_ON)


def test_rates_are_over_grafanas_own_interval_with_a_least_step_of_a_minute() -> None:
    for name in NAMES:
        for panel in panels(load(name)):
            if panel["type"] in ("timeseries", "state-timeline"):
                assert panel["interval"] in ("1m", "1h", "1d"), panel["title"]
            for target in panel["targets"]:
                if "rate(" in target["expr"] and target.get("range"):
                    assert "[$__rate_interval]" in target["expr"], panel["title"]


def test_counters_are_never_shown_without_a_rate_unless_they_are_the_gateways_own() -> None:
    counters = {
        prometheus_name(m)
        for m in CATALOGUE
        if m.kind is MetricKind.COUNTER and not m.name.startswith("bytespike.wallet.")
    }
    for query in all_queries():
        for name in counters & metrics(query.expr):
            assert re.search(rf"(rate|increase)\({name}[{{\[]", query.expr), query.where


def test_colours_change_where_the_alerts_begin() -> None:
    values = read().thresholds
    numbers = {
        ("bytespike-overview", "Shortest runway"): {
            values["runwayCriticalHours"] * 3600,
            values["runwayWarningHours"] * 3600,
        },
        ("bytespike-overview", "Rate limit: what is left"): {values["rateLimitRemainingRatio"]},
        ("bytespike-overview", "Model caps: what is spent"): {
            values["modelQuotaUtilizationRatio"],
            1,  # spent
        },
        ("bytespike-overview", "Key caps: what is left"): {values["keyQuotaRemainingUsd"]},
        ("bytespike-account", "Balance"): {values["balanceFloorUsd"]},
        ("bytespike-account", "Organization's wallet"): {values["organizationBalanceUsd"]},
        ("bytespike-account", "Drift and overcount"): {
            -values["ledgerDriftUsd"],
            values["ledgerDriftUsd"],
        },
        ("bytespike-exporter", "Oldest endpoint"): {values["staleMinutes"] * 60},
        ("bytespike-exporter", "Exports failing"): {values["exportFailureRatio"]},
    }
    found = {
        (name, panel["title"]): thresholds(panel)
        for name in NAMES
        for panel in panels(load(name))
        if (name, panel["title"]) in numbers
    }
    assert found == numbers


@Every
def test_a_panel_of_what_may_be_off_says_so(name: str) -> None:
    """Tap and webhook are: their panels would show nothing but "No data"."""
    for panel in panels(load(name)):
        read = [metrics(target["expr"]) for target in panel["targets"]]
        optional = re.compile(r"bytespike_(tap|webhook)_")
        if all(any(optional.match(metric) for metric in each) for each in read):
            assert "no" in panel["fieldConfig"]["defaults"]["noValue"], panel["title"]


@Every
def test_a_table_names_each_of_its_columns_once(name: str) -> None:
    for panel in panels(load(name)):
        if panel["type"] == "table":
            organize = panel["transformations"][1]["options"]
            headings = list(organize["renameByName"].values())
            assert sorted(set(headings)) == sorted(headings), panel["title"]
            assert {o["matcher"]["options"] for o in overrides(panel)} == set(headings)

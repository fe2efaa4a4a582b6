"""Every query of every dashboard, asked of a real receiver that real exporters have filled.

Three quarters of an hour of two simulated accounts, one of them watched by two exporters at once,
go into two stores: one by OTLP, where the exporters differ in what their resource says, and one as
a scraper would store `/metrics`, where they differ in `instance`.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from bytespike_simulator.faults import Fault
from bytespike_simulator.options import Options
from bytespike_simulator.truth import Truth
from bytespike_simulator.wallet import CREDITS
from exporter.gateway.readings import Source as Seer
from exporter.traffic import DeliveryOutcome, TapOutcome
from tests.deploy.dashboards import (
    NAMES,
    ROOT,
    Json,
    PanelQuery,
    all_queries,
    load,
    panels,
    queries,
)
from tests.deploy.grafana import Series, Source, View, seconds
from tests.deploy.promql import labels, metrics
from tests.deploy.replay import MINUTE, Receivers, Replay, replay
from tests.peers.missing import missing
from tests.peers.victoria_metrics import VictoriaMetrics

DAY = 86_400
LONG = 45 * MINUTE

PICTURES = ROOT / "scripts" / "dashboard_pictures"


class Filled(NamedTuple):
    """What was stored, and what is true."""

    sources: dict[str, Source]
    until: float
    truths: dict[str, Truth]
    answers: dict[tuple[str, PanelQuery], list[Series]]

    def view(self, dashboard: str) -> View:
        account = "prod" if dashboard == "bytespike-account" else ".*"
        return View(self.until - LONG, self.until, account)


def happen(world: Replay, minute: int) -> None:
    """What does not happen by itself in such a short time."""
    prod, dev = world.gateways["prod"], world.gateways["dev"]
    if minute == 20:
        prod.world.topup(50, bonus=5)
        dev.world.topup(10)
    if minute == 25:
        prod.world.transaction("admin_debit", -2 * CREDITS)
    if minute in (30, 32):
        prod.faults.add(Fault("status", "usage", times=8))
    # Two taps, each of which sees other calls: both those of prod's own key.
    one, two = world.exporters.values()
    one.calls(APPLICATION, CALLS, Seer.HOOK, refused=402)
    one.calls(prod.api_key, CALLS, Seer.HOOK)
    two.calls(prod.api_key, CALLS, Seer.LOG)
    if minute == 35:
        one.tap.observed(None, TapOutcome.MALFORMED, 3)
        one.tap.deliveries[DeliveryOutcome.ACCEPTED] += 1


APPLICATION = "sk-byts-an-application-7c1e"
CALLS = 10
"""Of each key a minute, in each tap that sees it."""


async def fill(folder: Path, otlp: str, scraped: str, until: float) -> dict[str, Truth]:
    began = until - LONG
    # Three models: none of them settles late, so that all that was billed has been counted.
    accounts = {
        "prod": Options(history=6 * 3600.0, rate=60.0, models=3, key_list="full"),
        "dev": Options(seed=2, history=6 * 3600.0, rate=20.0, keys=2, models=3),
    }
    watchers = {"one": ("prod", "dev"), "two": ("prod",)}
    async with replay(folder, began, accounts, watchers, Receivers(otlp, scraped)) as world:
        await world.run(until, MINUTE, lambda now: happen(world, round((now - began) / MINUTE)))
        return {name: g.world.truth(began) for name, g in world.gateways.items()}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    folder = tmp_path_factory.mktemp("dashboards")
    until = 1_795_392_000.0 // DAY * DAY + 10 * MINUTE  # a day's end lies inside
    with (
        VictoriaMetrics(folder / "by-otlp") as otlp,
        VictoriaMetrics(folder / "scraped") as scraped,
    ):
        truths = asyncio.run(fill(folder, otlp.url, scraped.url, until))
        for store in (otlp, scraped):
            store.flush()
        with Source(otlp.url) as by_otlp, Source(scraped.url) as by_scrape:
            yield Filled({"otlp": by_otlp, "scraped": by_scrape}, until, truths, {})


def ask(filled: Filled, path: str, query: PanelQuery) -> list[Series]:
    """What the query gives; asked once."""
    if (path, query) not in filled.answers:
        filled.answers[path, query] = _ask(filled, path, query)
    return filled.answers[path, query]


def _ask(filled: Filled, path: str, query: PanelQuery) -> list[Series]:
    view = filled.view(query.dashboard)
    if not query.over_time:
        return filled.sources[path].instant(query.expr, view)
    named = (p for p in panels(load(query.dashboard)) if p["title"] == query.panel)
    step = seconds(next(named, {}).get("interval", "1m"))
    return filled.sources[path].over_time(query.expr, view, step)


ByPath = pytest.mark.parametrize("path", ["otlp", "scraped"])


@ByPath
def test_every_query_shows_something(filled: Filled, path: str) -> None:
    empty = {query.where for query in all_queries() if not ask(filled, path, query)}
    assert not empty


@ByPath
def test_no_query_tells_exporters_apart(filled: Filled, path: str) -> None:
    for query in all_queries():
        for series in ask(filled, path, query):
            names = metrics(query.expr)
            known = {label for n in names for label in labels(n) | labels(f"{n}_bucket")}
            assert set(series.labels) - {"__name__"} <= known, query.where


def shown(filled: Filled, path: str, dashboard: str, panel: str, ref: str = "A") -> list[Series]:
    [query] = [q for q in queries(dashboard) if (q.panel, q.ref) == (panel, ref)]
    return ask(filled, path, query)


def text_columns(table: Json) -> set[str]:
    """The headings of the columns that hold labels."""
    names: dict[str, str] = table["transformations"][1]["options"]["renameByName"]
    return {heading for name, heading in names.items() if not name.startswith("Value")}


def total(series: list[Series]) -> float:
    return sum(one.points[-1][1] for one in series)


@ByPath
def test_two_exporters_of_one_account_do_not_double_its_balance(filled: Filled, path: str) -> None:
    found = shown(filled, path, "bytespike-overview", "Balance of all")
    true = sum(truth.wallet.available for truth in filled.truths.values()) / CREDITS
    assert total(found) == pytest.approx(true)


def test_two_exporters_of_one_account_do_not_double_its_spending(filled: Filled) -> None:
    true = sum(u.credits for truth in filled.truths.values() for u in truth.usage) / CREDITS
    keys = shown(filled, "otlp", "bytespike-overview", "Top models")
    assert total(keys) == pytest.approx(true, rel=1e-6)
    [hour] = shown(filled, "otlp", "bytespike-overview", "Spent in the last 24 h")
    assert hour.points[-1][1] == pytest.approx(true, rel=1e-6)


def test_what_is_scraped_is_not_doubled_either(filled: Filled) -> None:
    true = sum(u.credits for truth in filled.truths.values() for u in truth.usage) / CREDITS
    [day] = shown(filled, "scraped", "bytespike-overview", "Spent in the last 24 h")
    assert 0.5 * true < day.points[-1][1] <= true * 1.000001


def test_movements_are_counted_once_and_marked_where_they_happened(filled: Filled) -> None:
    found = shown(filled, "otlp", "bytespike-account", "Wallet movements", "C")
    topups = [s for s in found if s.labels["bytespike_transaction_kind"] == "topup"]
    assert total(topups) == pytest.approx(55)
    [marks] = shown(filled, "otlp", "bytespike-account", "Top-ups", "annotation")
    instants = {value / 1000 for _, value in marks.points}
    assert filled.until - LONG + 20 * MINUTE in instants


def test_the_health_page_counts_exporters_and_sees_the_failures(filled: Filled) -> None:
    for path in filled.sources:
        assert total(shown(filled, path, "bytespike-exporter", "Exporters")) == 2
    failed = shown(filled, "otlp", "bytespike-exporter", "Failed polls")
    assert {s.labels["bytespike_outcome"] for s in failed} == {"server_error"}


@ByPath
def test_what_several_taps_see_is_added_up(filled: Filled, path: str) -> None:
    found = shown(filled, path, "bytespike-account", "Responses per minute")
    assert total(found) == pytest.approx(3 * CALLS, rel=0.05)
    refused = shown(filled, path, "bytespike-account", "Refused calls per minute")
    statuses = {s.labels["http_response_status_code"] for s in refused if s.points[-1][1] > 0}
    assert statuses == {"402", "429"}


@ByPath
def test_freshness_stands_beside_the_age_of_the_poll(filled: Filled, path: str) -> None:
    for ref, age in (("A", 5), ("B", 0)):
        ages = shown(filled, path, "bytespike-account", "Newest calls seen", ref)
        by_key = {(s.labels["bytespike_key_id"], s.labels["bytespike_source"]) for s in ages}
        assert {source for _, source in by_key} == {Seer.HOOK, Seer.LOG}
        assert len({key for key, _ in by_key}) == 2
        assert {round(s.points[-1][1]) for s in ages} == {age}
    sources = shown(filled, path, "bytespike-exporter", "Freshness by source")
    assert {s.labels["bytespike_source"] for s in sources} == {Seer.HOOK, Seer.LOG}


@pytest.fixture(scope="module")
def tables_script() -> Path:
    """What tells by Grafana's own code what a table holds; npm fetches it once."""
    if shutil.which("npm") is None:
        pytest.skip("there is no npm here")
    done = subprocess.run(
        [PICTURES / "set-up", "tables"], check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        missing("Grafana's packages", done.stderr.strip()[-200:])
    return ROOT / ".cache" / "grafana" / "tables" / "tables.out.mjs"


@ByPath
@pytest.mark.parametrize("name", NAMES)
def test_a_table_holds_in_grafana_what_its_columns_say_and_no_row_twice(
    filled: Filled, path: str, name: str, tables_script: Path
) -> None:
    dashboard = load(name)
    tables = {panel["title"]: panel for panel in panels(dashboard) if panel["type"] == "table"}
    source, view = filled.sources[path], filled.view(name)
    answers = {panel["id"]: source.answers(panel, view) for panel in tables.values()}
    given = json.dumps({"dashboard": dashboard, "answers": answers})
    done = subprocess.run(
        ["node", tables_script], check=False, input=given, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for title, rows in json.loads(done.stdout).items():
        headings = list(tables[title]["transformations"][1]["options"]["renameByName"].values())
        assert rows, title
        assert {tuple(row) for row in rows} == {tuple(headings)}, title
        labels_of_rows = [
            tuple(row[heading] for heading in headings if heading in text_columns(tables[title]))
            for row in rows
        ]
        assert len(set(labels_of_rows)) == len(rows), title


def test_dashboards_are_all_asked() -> None:
    assert {query.dashboard for query in all_queries()} == set(NAMES)

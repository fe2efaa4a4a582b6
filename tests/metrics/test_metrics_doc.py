"""The metric reference says what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from exporter.metrics.attributes import ATTRIBUTES
from exporter.metrics.catalogue import CATALOGUE
from exporter.metrics.metric_reference import attribute_values, render
from exporter.metrics.prometheus import label_name, prometheus_name
from exporter.metrics.snapshot import take
from tests.metrics.realistic import NOW, live, totals

_REFERENCE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_committed_reference_is_the_generated_one() -> None:
    assert _REFERENCE.read_text(encoding="utf-8") == render("markdown"), (
        "regenerate it: bytespike-exporter metrics > docs/metrics.md"
    )


def test_the_markdown_names_every_metric_and_every_attribute_once_in_its_table() -> None:
    first_cells = re.findall(r"^\| `([^`]+)` \| `([^`]+)`", render("markdown"), re.MULTILINE)
    metrics = [(metric.name, prometheus_name(metric)) for metric in CATALOGUE]
    attributes = [(name, label_name(name)) for name in ATTRIBUTES]
    assert sorted(first_cells) == sorted(metrics + attributes)


def test_every_row_of_a_table_has_as_many_cells_as_its_title() -> None:
    for block in render("markdown").split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in rows}) <= 1


def test_the_json_says_the_same_as_the_catalogue() -> None:
    entries = json.loads(render("json"))
    assert [entry["name"] for entry in entries] == [metric.name for metric in CATALOGUE]
    for entry, metric in zip(entries, CATALOGUE, strict=True):
        assert entry["prometheus_name"] == prometheus_name(metric)
        assert (entry["kind"], entry["unit"]) == (metric.kind, metric.unit)
        assert entry["description"] == metric.description
        assert tuple(a["name"] for a in entry["attributes"]) == metric.attributes


def test_every_attribute_is_explained_and_used() -> None:
    used = {attribute for metric in CATALOGUE for attribute in metric.attributes}
    assert used == ATTRIBUTES.keys()


def test_a_snapshot_shows_only_values_that_the_reference_lists() -> None:
    for point in take(live(), totals(), NOW).points:
        for name, value in zip(point.metric.attributes, point.attributes, strict=True):
            listed = attribute_values(point.metric, name)
            assert value is None or not listed or value in listed


def test_the_realistic_account_shows_every_metric_of_the_catalogue() -> None:
    shown = {point.metric.name for point in take(live(), totals(), NOW).points}
    assert [metric.name for metric in CATALOGUE if metric.name not in shown] == []


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown format 'yaml': use one of markdown, json"):
        render("yaml")

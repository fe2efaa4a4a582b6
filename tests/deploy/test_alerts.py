"""The stories of stories.yaml, through promtool."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy import shipped
from tests.deploy.promtool import Promtool

STORIES = yaml.safe_load(Path(__file__).with_name("stories.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def rules(promtool: Path, tmp_path: Path) -> Promtool:
    return Promtool(promtool, tmp_path)


def series(text: str) -> dict[str, str]:
    """Series in PromQL's notation, and their values."""
    lines = (
        line.partition("} ") if "}" in line else line.partition(" ") for line in text.split("\n")
    )
    return {name + end.strip(): values for name, end, values in lines if name}


@pytest.mark.parametrize("story", STORIES, ids=[story["story"] for story in STORIES])
def test_the_rules_do_what_the_story_expects(rules: Promtool, story: dict[str, Any]) -> None:
    for expected in story["expect"]:
        (judge, rule), *more = expected.items()
        getattr(rules, judge)(rule, series(story["series"]), **dict(more))


def test_every_alert_has_a_story_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    expected = [one for story in STORIES for one in story["expect"]]
    for kind in ("fires", "silent"):
        assert {one[kind] for one in expected if kind in one} == set(shipped.alerts())

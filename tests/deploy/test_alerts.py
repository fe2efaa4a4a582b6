"""The stories of stories.yaml, and several exporters on one account, through promtool."""

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


# -- several exporters on one account: the same numbers, one page, whoever restarts ---------------

FLOOR, CRITICAL = "BytespikeBalanceBelowFloor", "BytespikeRunwayCritical"


def replicas(count: int) -> dict[str, str]:
    """A wallet that is topped up after an hour and a half, as `count` exporters show it.

    The first of them restarts after an hour; each has read a bit earlier than the one before.
    """
    shown: dict[str, str] = {}
    for number in range(count):
        restarts, lag = number == 0, 0.01 * number
        balance, runway = ("stale _x4", "stale _x4") if restarts else ("8x4", "7200x4")
        total = f"stale _x4 {106.5 - lag}+0.1x80" if restarts else f"{106 - lag}+0.1x85"
        labels = f'{{bytespike_account_name="prod",instance="10.0.0.{number}:9464"}}'
        shown |= {
            f"bytespike_wallet_balance_USD{labels}": f"8x59 {balance} 8x25 600x60",
            f"bytespike_wallet_runway_seconds{labels}": f"7200x59 {runway} 7200x25 540000x60",
            f"bytespike_wallet_spend_USD_total{labels}": f"{100 - lag}+0.1x59 {total}",
        }
    return shown


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("minute", [70, 90, 140])
def test_exporters_on_one_account_give_the_numbers_of_one(
    rules: Promtool, count: int, minute: int
) -> None:
    shown = replicas(count)
    rules.records("bytespike_account:wallet_balance_USD:min", shown, at=70, value=8)
    rules.records("bytespike_account:spend_USD_per_hour:rate1h", shown, at=minute, value=6)

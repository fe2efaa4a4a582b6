"""What the overview adds up over accounts, where some of them are one wallet."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.deploy.dashboards import queries
from tests.deploy.promtool import Promtool, Story

INFO = "bytespike_account_info"


def story(*accounts: tuple[str, str, str]) -> Story:
    """Accounts of these names, gateways and users: each holds 10 USD, and spends 1 a minute.

    Where no gateway is named, an older exporter watches.
    """
    series = {}
    for name, gateway, user in accounts:
        account = f'bytespike_account_name="{name}"'
        for job in ("one", "two"):  # two exporters watch each of them
            labels = f'{account},job="{job}"'
            series[f"bytespike_wallet_balance_USD{{{labels}}}"] = "10x120"
            series[f"bytespike_usage_cost_USD_total{{{labels}}}"] = "0+1x120"
            series[f'{INFO}{{{labels},bytespike_user_id="{user}"}}'] = "1x120"
            if gateway:
                at = f'bytespike_gateway_address="{gateway}"'
                series[f"bytespike_gateway_info{{{labels},{at}}}"] = "1x120"
    return series


A, B = ("prod", "one", "88"), ("second", "one", "88")
ELSEWHERE, EVE = ("there", "two", "88"), ("eve", "one", "99")
OLD = ("c", "", "88"), ("d", "", "88")
UNTOLD = (("x", "one", ""), ("y", "one", ""))


@pytest.mark.parametrize(
    ("accounts", "wallets"),
    [
        ((A,), 1),
        ((A, B), 1),
        ((A, B, EVE), 2),
        ((A, ELSEWHERE), 2),
        (UNTOLD, 2),
        ((A, B, *UNTOLD), 3),
        (OLD, 1),
    ],
    ids=[
        "one",
        "twice",
        "and another",
        "another gateway",
        "unknown users",
        "all kinds",
        "no gateway",
    ],
)
@pytest.mark.parametrize(
    ("panel", "each"), [("Balance of all", 10.0), ("Spent in the last hour", 60.0)]
)
def test_a_wallet_counts_once(
    promtool: Path,
    tmp_path: Path,
    panel: str,
    each: float,
    accounts: tuple[tuple[str, str, str], ...],
    wallets: int,
) -> None:
    [query] = [one.expr for one in queries("bytespike-overview") if one.panel == panel]
    asked = query.replace("$account", ".*")
    rules = Promtool(promtool, tmp_path)
    rules.asks(asked, story(*accounts), at=100, value=wallets * each)


def test_what_an_organization_has_left_counts_once_for_all_its_members(
    promtool: Path, tmp_path: Path
) -> None:
    [query] = [one.expr for one in queries("bytespike-overview") if one.panel == "Balance of all"]
    shown = dict(story(EVE))
    for name, user, organization in (("a", "1", "5"), ("b", "2", "5"), ("c", "3", "6")):
        account = f'bytespike_account_name="{name}"'
        whose = f'bytespike_user_id="{user}",bytespike_organization_id="{organization}"'
        shown[f"bytespike_wallet_balance_USD{{{account}}}"] = "1000x120"
        shown[f"bytespike_organization_balance_USD{{{account}}}"] = "50x120"
        shown[f'{INFO}{{{account},{whose},bytespike_user_tier="enterprise"}}'] = "1x120"
        at = 'bytespike_gateway_address="one"'
        shown[f"bytespike_gateway_info{{{account},{at}}}"] = "1x120"
    rules = Promtool(promtool, tmp_path)
    rules.asks(query.replace("$account", ".*"), shown, at=100, value=10 + 50 + 50)


def test_a_key_that_was_replaced_by_another_users_makes_no_query_fail(
    promtool: Path, tmp_path: Path
) -> None:
    [query] = [one.expr for one in queries("bytespike-overview") if one.panel == "Balance of all"]
    changed = dict(story(A))
    changed[f'{INFO}{{bytespike_account_name="prod",job="one",bytespike_user_id="99"}}'] = "_x99 1"
    rules = Promtool(promtool, tmp_path)
    rules.asks(query.replace("$account", ".*"), changed, at=101, value=10)

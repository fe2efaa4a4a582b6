"""Several exporters on one account: the same numbers, one page, whoever restarts."""

import pytest

from tests.deploy.promtool import Promtool, one, replica

SPEND = "bytespike_wallet_spend_USD_total"
FLOOR = "BytespikeBalanceBelowFloor"
CRITICAL = "BytespikeRunwayCritical"


def account(restarts: bool, lag: float = 0) -> dict[str, str]:
    """What one exporter shows of a wallet that is topped up after an hour and a half."""
    gap = "stale _x4" if restarts else "8x4"
    short = "stale _x4" if restarts else "7200x4"
    total = f"stale _x4 {106.5 - lag}+0.1x80" if restarts else f"{106 - lag}+0.1x85"
    return (
        one("bytespike_wallet_balance_USD", f"8x59 {gap} 8x25 600x60")
        | one("bytespike_wallet_runway_seconds", f"7200x59 {short} 7200x25 540000x60")
        | one(SPEND, f"{100 - lag}+0.1x59 {total}")
    )


def story(count: int) -> dict[str, str]:
    """`count` exporters, the first of which restarts after an hour; each read a bit earlier."""
    every = [replica(n, account(restarts=n == 0, lag=0.01 * n)) for n in range(count)]
    return {name: values for one in every for name, values in one.items()}


@pytest.mark.parametrize("count", [1, 2, 5])
def test_exporters_on_one_account_give_one_page_until_the_topup(
    rules: Promtool, count: int
) -> None:
    shown = story(count)
    rules.stays(FLOOR, shown, since=2, until=99)
    rules.stays(CRITICAL, shown, since=5, until=99)
    summary = "prod: 8.00 USD left, under the floor of 10 USD"
    rules.fires(FLOOR, shown, at=2, summary=summary, until=106)
    summary = "prod: the balance lasts 2h 0m 0s, less than 4 h"
    rules.fires(CRITICAL, shown, at=5, summary=summary, until=106)


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("minute", [70, 90, 140])
def test_exporters_on_one_account_give_the_numbers_of_one(
    rules: Promtool, count: int, minute: int
) -> None:
    shown = story(count)
    rules.records("bytespike_account:wallet_balance_USD:min", shown, at=70, value=8)
    rules.records("bytespike_account:spend_USD_per_hour:rate1h", shown, at=minute, value=6)

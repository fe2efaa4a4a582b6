"""A wallet runs dry; somebody is told once, in the right words, and told when it is over."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.alerts.chain import PATHS, Chain, Wallet
from tests.alerts.watchers import PATH
from tests.alerts.webhook import Told, Webhook
from tests.peers.process import PeerError, until
from tests.peers.promql import PromQl

WALLETS = {"one": 1, "two": 2, "five": 5}
"""Accounts, and how many exporters watch each."""

FLOOR = "BytespikeBalanceBelowFloor"
RUNWAY = "BytespikeRunwayCritical"
WARNING = "BytespikeRunwayLow"

SECONDS = 90.0

Who = tuple[str, str, str]
"""Alert, account, path."""


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as webhook:
        yield webhook


@pytest.fixture
def chain(tmp_path: Path, webhook: Webhook) -> Iterator[Chain]:
    with Chain(tmp_path, webhook, WALLETS, scale=0.02, balance=12) as chain:
        yield chain


def pages(webhook: Webhook, status: str) -> list[Told]:
    """What the pager was told, but for the time before the first numbers, when there are none."""
    return [told for told in webhook.told("pager", status) if told.name != "BytespikeNoData"]


def who(told: Told) -> Who:
    return told.name, told.labels["bytespike_account_name"], told.labels[PATH]


EVERYONE = {(alert, name, path) for alert in (FLOOR, RUNWAY) for name in WALLETS for path in PATHS}


def wait_for_everyone(chain: Chain, webhook: Webhook, status: str) -> None:
    def look() -> bool:
        return {who(told) for told in pages(webhook, status)} >= EVERYONE

    try:
        until(look, f"{status} pages", SECONDS)
    except PeerError as error:
        missing = sorted(EVERYONE - {who(told) for told in pages(webhook, status)})
        logs = "".join(f"\n--- {peer.folder}\n{peer.output()[-1500:]}" for peer in chain.peers)
        raise PeerError(f"{error}; not told: {missing}{logs}") from None


def wait_for_values(store: PromQl, query: str, *values: float) -> None:
    """Wait until the query gives samples of these values, and no others."""
    until(
        lambda: [value for _, value in store.query(query)] == list(values),
        f"{values} of {query}",
        SECONDS,
    )


def assert_the_numbers_of_one(chain: Chain, wallet: Wallet) -> None:
    """On every path: as many series as exporters, and one recorded number, the gateway's."""
    mine = f'{{bytespike_account_name="{wallet.name}"}}'
    for store in chain.stores.values():
        series = f"count(bytespike_wallet_balance_USD{mine})"
        wait_for_values(store, series, len(wallet.exporters))
        wait_for_values(store, f"bytespike_account:wallet_balance_USD:min{mine}", wallet.left)


def test_a_wallet_that_runs_dry_pages_once_on_every_path_and_resolves_after_a_topup(
    chain: Chain, webhook: Webhook
) -> None:
    for wallet in chain.wallets:
        assert_the_numbers_of_one(chain, wallet)
    assert pages(webhook, "firing") == []

    for wallet in chain.wallets:
        wallet.spend(2.5)
    wait_for_everyone(chain, webhook, "firing")
    for wallet in chain.wallets:
        wallet.exporters[0].kill()
    for wallet in chain.wallets:
        wallet.exporters[0].start()
    for wallet in chain.wallets:
        assert_the_numbers_of_one(chain, wallet)
    for store in chain.stores.values():  # the warning fires too, and nobody is bothered with it
        warning = f'count(ALERTS{{alertname="{WARNING}",alertstate="firing"}})'
        wait_for_values(store, warning, len(WALLETS))
    assert WARNING not in {told.name for told in webhook.told("ticket", "firing")}

    for wallet in chain.wallets:
        wallet.top_up(50_000)
    wait_for_everyone(chain, webhook, "resolved")

    fired = pages(webhook, "firing")
    assert Counter(who(told) for told in fired) == Counter(EVERYONE)
    assert Counter(who(t) for t in pages(webhook, "resolved")) == Counter(EVERYONE)
    for told in fired:
        name = told.labels["bytespike_account_name"]
        wanted = {
            FLOOR: f"{name}: 9\\.50 USD left, under the floor of 10 USD",
            RUNWAY: f"{name}: the balance lasts [0-9hms. ]+, less than 4 h",
        }
        assert re.fullmatch(wanted[told.name], told.summary), told.summary
        assert told.annotations["runbook_url"].endswith(f"docs/runbook.md#{told.name.lower()}")
        assert "unknown" not in told.annotations["description"]
        added = {PATH, "alertgroup"}  # by the rehearsal, and by vmalert
        ours = set(told.labels) - added
        assert ours == {"alertname", "bytespike_account_name", "severity", "topic"}

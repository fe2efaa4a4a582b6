"""Which wallet pays, and how long it lasts."""

from __future__ import annotations

import pytest

from exporter.gateway.readings import Endpoint, Envelope
from exporter.ledger.spend import Rate
from exporter.ledger.totals import AccountTotals
from exporter.live import LiveAccount
from exporter.metrics.payer import payer
from exporter.metrics.snapshot import take
from tests.metrics.realistic import KEY, NOW, live, reading, usd

ROWS, WALLET, ORGANIZATION = Rate(usd("6"), 6), Rate(usd("60"), 6), Rate(usd("600"), 6)
TOTALS = AccountTotals(usage_rate=ROWS, wallet_rate=WALLET, organization_rate=ORGANIZATION)


def account(tier: str | None, organization: str | None = "1200") -> LiveAccount:
    """An account whose header told what the organization has left."""
    made = live().accounts["prod"]
    made.keys.clear()
    if organization is not None:
        made.observe(Envelope(NOW - 10, KEY, org_quota_remaining=usd(organization)))
    made.account = reading(tier=tier)
    return made


def shown(made: LiveAccount, totals: AccountTotals = TOTALS) -> dict[str, float]:
    everything = live()
    everything.accounts = {"prod": made}
    points = take(everything, {"prod": totals}, NOW).points
    runways = [point for point in points if point.metric.name.endswith(".runway")]
    return {p.metric.name.split(".")[1]: p.value for p in runways}  # type: ignore[misc]


@pytest.mark.parametrize(
    ("tier", "header", "organization_pays"),
    [
        ("individual", None, False),
        ("individual", "1200", False),
        ("enterprise", "1200", True),
        ("enterprise", None, True),
        (None, "1200", True),
        (None, None, False),
    ],
)
def test_the_tier_says_who_pays_and_where_it_is_not_told_the_header_does(
    tier: str | None, header: str | None, organization_pays: bool
) -> None:
    pays = payer(account(tier, header), TOTALS, NOW)
    assert pays is not None
    assert pays.organization is organization_pays
    assert pays.balance == (header and usd(header) if organization_pays else usd("31.40"))


def test_a_runway_is_that_of_the_wallet_that_pays() -> None:
    assert shown(account("individual")) == {"wallet": 31.4, "organization": 12}
    assert shown(account("enterprise")) == {"organization": 12}
    assert shown(account("enterprise", None)) == {}
    assert shown(account("individual", None)) == {"wallet": 31.4}


def test_an_overdrawn_wallet_lasts_no_second() -> None:
    assert shown(account("enterprise", "-3.20")) == {"organization": 0}


@pytest.mark.parametrize("rate", [None, Rate(0, 6), Rate(-usd("1"), 6)])
def test_where_nothing_is_spent_or_known_there_is_no_runway(rate: Rate | None) -> None:
    totals = AccountTotals(usage_rate=rate, organization_rate=rate)
    assert shown(account("individual"), totals) == {}


def test_while_usage_is_not_read_the_wallet_itself_tells_how_fast_money_goes() -> None:
    made = account("individual", None)
    assert shown(made, AccountTotals(wallet_rate=WALLET)) == {"wallet": 3.14}
    made.endpoints[Endpoint.USAGE].last_success = NOW - 181
    assert shown(made) == {"wallet": 3.14}


def test_without_a_reading_nobody_is_known_to_pay() -> None:
    made = account("individual")
    made.account = None
    assert payer(made, TOTALS, NOW) is None
    assert shown(made) == {"organization": 12}

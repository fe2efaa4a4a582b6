"""What account readings leave: lifetime counters and drift."""

from __future__ import annotations

import pytest

from exporter.gateway.readings import AccountReading, Organization
from exporter.ledger.cursor import Slice
from exporter.ledger.owners import Owner
from exporter.metrics.payer import Payer
from tests.ledger.conftest import MakeExporter
from tests.ledger.exporter import NAME, Exporter
from tests.ledger.world import HOUR

CREATED = 1_760_000_000.0
USD = 1_000_000_000


class Wallet:
    """An exporter whose account endpoint says what was spent."""

    def __init__(self, exporter: Exporter, spent: int = 0) -> None:
        self.exporter = exporter
        self.world = exporter.world
        self.unlogged = spent
        self.available: int | None = 1000 * USD
        self.topup = 500 * USD
        self.user = "88"
        self.hidden = False
        self.tier = "individual"
        self.organization: Organization | None = None
        self.left: int | None = None
        """What the organization's wallet holds."""

    @property
    def spent(self) -> int:
        return self.unlogged + sum(call.cost for call in self.world.calls)

    def poll(self) -> None:
        """Poll the account endpoint."""
        reading = AccountReading(
            observed_at=self.exporter.now,
            user_id=self.user,
            created_at=CREATED,
            available=self.available,
            lifetime_topup=self.topup,
            lifetime_spent=None if self.hidden else self.spent,
            tier=self.tier,
            organization=self.organization,
        )
        self.exporter.ledger.commit_account(NAME, reading, organization=self.left)

    def round(self) -> None:
        """Poll usage, then the account, after a minute without spending."""
        self.world.now += 60
        self.exporter.poll()
        self.poll()

    def drift(self) -> int | None:
        return self.exporter.totals.drift

    def runway(self) -> float | None:
        """By the time of the rows, where usage is read; else as the wallet tells it."""
        totals = self.exporter.totals
        rate = totals.usage_rate or totals.wallet_rate
        return Payer(False, self.available, rate).runway


@pytest.fixture
def wallet(exporter: Exporter) -> Wallet:
    return Wallet(exporter)


@pytest.fixture
def settled(wallet: Wallet) -> Wallet:
    """A wallet whose drift is known."""
    for _ in range(3):
        wallet.round()
    return wallet


def test_drift_is_unknown_until_both_endpoints_were_read(wallet: Wallet) -> None:
    wallet.poll()
    assert wallet.drift() is None
    wallet.exporter.poll()
    wallet.poll()
    assert wallet.drift() is None  # spend of the first minute may show on one side only
    wallet.round()
    assert wallet.drift() == 0


def test_a_quiet_exact_account_has_no_drift(wallet: Wallet) -> None:
    wallet.unlogged = 77 * USD
    for cost in (5, 0, 7, 0, 0):
        wallet.round()
        if cost:
            wallet.world.bill(cost * USD)
    for _ in range(3):
        wallet.round()
        assert wallet.drift() == 0


@pytest.mark.parametrize("unlogged", [2 * USD, -2 * USD])
def test_drift_is_exactly_what_usage_shows_too_little_or_too_much(
    settled: Wallet, unlogged: int
) -> None:
    settled.world.bill(3 * USD)
    settled.unlogged += unlogged
    settled.round()
    settled.round()
    assert settled.drift() == unlogged
    settled.exporter.restart()
    settled.round()
    assert settled.drift() == unlogged


@pytest.mark.parametrize("account_first", [False, True])
def test_spending_between_the_polls_is_no_drift(wallet: Wallet, account_first: bool) -> None:
    for number in range(30):
        wallet.world.now += 20
        wallet.world.bill(number * USD)
        if account_first:
            wallet.poll()
        else:
            wallet.exporter.poll()
        wallet.world.now += 20
        wallet.world.bill(number * USD)
        if account_first:
            wallet.exporter.poll()
        else:
            wallet.poll()
        wallet.world.bill(number * USD)
        assert not wallet.drift()


def test_drift_does_not_hide_while_the_account_is_polled_rarely(settled: Wallet) -> None:
    """Every ten minutes; a dollar a minute is what cannot be told."""
    settled.unlogged += 5 * USD
    settled.round()
    for minute in range(1, 60):
        settled.world.now += 60
        settled.exporter.poll()
        assert (settled.drift() or 0) >= 4 * USD
        if minute % 10 == 0:
            settled.poll()
        settled.world.bill(USD)


def test_usage_that_was_asked_for_before_the_account_answered_is_no_bound(settled: Wallet) -> None:
    began = settled.exporter.now
    settled.world.now += 1
    settled.world.bill(USD)
    settled.poll()
    settled.exporter.ledger.commit_log(
        NAME, [], Slice(began - HOUR, began, True, False), None, began
    )
    assert settled.drift() == 0
    settled.exporter.poll()
    assert settled.drift() == 0


def test_a_row_that_was_late_before_drift_is_measured_is_no_overcount(wallet: Wallet) -> None:
    wallet.world.now += 2000
    wallet.world.bill(USD)
    wallet.exporter.poll()
    wallet.world.bill(3 * USD, back=1000)
    wallet.poll()
    for _ in range(3):
        wallet.round()
    assert wallet.exporter.counted == 2
    assert wallet.drift() == 0


def test_what_was_spent_before_drift_is_measured_leaves_no_room_for_losses(wallet: Wallet) -> None:
    wallet.exporter.poll()
    wallet.world.now += 2000
    wallet.world.bill(50 * USD)
    wallet.poll()
    for _ in range(2):
        wallet.round()
    wallet.unlogged += 2 * USD
    wallet.round()
    wallet.round()
    assert wallet.drift() == 2 * USD


def test_drift_is_measured_from_when_usage_had_caught_up(make_exporter: MakeExporter) -> None:
    wallet = Wallet(make_exporter(back=40 * 24 * HOUR))
    for day in range(40):
        wallet.world.bill(USD, back=day * 24 * HOUR)
    wallet.poll()
    wallet.exporter.poll(slices=2)
    wallet.poll()
    assert wallet.drift() is None
    wallet.exporter.poll()
    for _ in range(3):
        wallet.round()
    assert wallet.drift() == 0


def test_catching_up_after_an_outage_is_no_drift(settled: Wallet) -> None:
    for _ in range(20):
        settled.world.now += 24 * HOUR
        settled.world.bill(USD)
    settled.poll()
    assert settled.drift() == 0
    settled.exporter.poll(slices=2)
    settled.poll()
    assert settled.drift() == 0
    for _ in range(3):
        settled.round()
    assert settled.drift() == 0


def test_a_sweep_that_leaves_a_gap_says_nothing_about_drift(settled: Wallet) -> None:
    settled.world.now += 20 * 24 * HOUR
    settled.world.bill(USD, back=10 * 24 * HOUR)
    settled.exporter.poll(slices=1)
    settled.poll()
    now = settled.exporter.now
    ahead = Slice(now - HOUR, now + HOUR, True, True)
    settled.exporter.ledger.commit_log(NAME, [], ahead, None, now)
    assert settled.drift() == 0


def test_lifetime_spend_that_falls_is_followed_by_drift_and_not_by_its_counter(
    settled: Wallet,
) -> None:
    settled.unlogged -= 5 * USD
    settled.round()
    settled.round()
    assert settled.drift() == -5 * USD
    assert settled.exporter.totals.spent == 0


def test_lifetime_counters_never_fall_and_start_with_the_user(wallet: Wallet) -> None:
    wallet.unlogged = 9 * USD
    wallet.poll()
    wallet.unlogged, wallet.topup = 4 * USD, 100 * USD
    wallet.poll()
    totals = wallet.exporter.totals
    assert (totals.spent, totals.topup) == (9 * USD, 500 * USD)
    assert totals.wallet_start_ns == int(CREATED * 1e9)
    wallet.hidden = True
    wallet.poll()
    assert wallet.exporter.totals.spent == 9 * USD


def test_another_wallet_leaves_nothing_of_the_one_before(wallet: Wallet) -> None:
    wallet.unlogged = 100 * USD
    for _ in range(3):
        wallet.round()
    wallet.user, wallet.unlogged, wallet.topup = "99", 3 * USD, USD
    now = wallet.exporter.now
    wallet.exporter.ledger.begin_anew(NAME, Owner(user="99"), now, now)
    wallet.poll()
    totals = wallet.exporter.totals
    assert (totals.spent, totals.topup) == (3 * USD, USD)
    assert totals.wallet_start_ns == int(now * 1e9)
    assert totals.drift is None
    assert wallet.runway() is None
    for _ in range(3):
        wallet.round()
    assert wallet.drift() == 0


@pytest.mark.parametrize("lifetime", ["stands", "is everybody's"])
def test_lifetime_spend_is_no_witness_where_the_organization_pays(
    wallet: Wallet, lifetime: str
) -> None:
    wallet.tier = "enterprise"
    for _ in range(20):
        call = wallet.world.bill(3 * USD)
        wallet.unlogged += -call.cost if lifetime == "stands" else 100 * USD
        wallet.round()
        assert wallet.drift() is None
    assert sum(total.cost for total in wallet.exporter.totals.usage) == 60 * USD


def test_drift_ends_when_the_organization_begins_to_pay_and_begins_anew_when_it_stops(
    settled: Wallet,
) -> None:
    settled.unlogged += 2 * USD
    settled.round()
    settled.round()
    assert settled.drift() == 2 * USD
    settled.tier = "enterprise"
    settled.round()
    assert settled.drift() is None
    settled.unlogged += 50 * USD
    settled.tier = "individual"
    for _ in range(3):
        settled.round()
    assert settled.drift() == 0

"""How fast money is spent, by the time at which it was: what a runway is made of."""

from __future__ import annotations

import pytest

from exporter.gateway.readings import Organization, UsageShape
from exporter.ledger.spend import Rate
from tests.ledger.conftest import MakeExporter
from tests.ledger.test_wallet import USD, Wallet, wallet
from tests.ledger.world import HOUR

__all__ = ("wallet",)

WINDOW = 6 * HOUR


def per_hour(rate: Rate | None) -> float | None:
    """A rate in USD an hour."""
    return None if rate is None else rate.spent / USD / rate.seconds * HOUR


def pass_hours(wallet: Wallet, hours: float, usd: int = 4, *, polled: bool = True) -> None:
    """Spend so much in each hour, in calls ten minutes apart."""
    for _ in range(round(hours * 6)):
        wallet.world.now += 600
        wallet.world.bill(usd * USD // 6)
        if polled:
            wallet.exporter.poll()
            wallet.poll()


def spend(wallet: Wallet, polls: int, every: float, usd: int) -> None:
    for _ in range(polls):
        wallet.world.now += every
        wallet.unlogged += usd * USD
        wallet.poll()


def test_runway_is_exact_on_steady_spend(wallet: Wallet) -> None:
    wallet.poll()
    spend(wallet, 600, 60.0, 2)
    assert wallet.runway() == pytest.approx(1000 / 2 * 60)
    (number,) = wallet.exporter.store.db.execute("SELECT COUNT(*) FROM spend").fetchone()
    assert number < 100


def test_runway_is_unknown_while_nothing_is_spent(wallet: Wallet) -> None:
    wallet.poll()
    assert wallet.runway() is None
    spend(wallet, 10, 60.0, 0)
    assert wallet.runway() is None
    spend(wallet, 10, 60.0, 1)
    assert wallet.runway() is not None
    spend(wallet, 400, 60.0, 0)  # all spending lies outside of the window by now
    assert wallet.runway() is None


def test_a_topup_changes_the_runway_by_the_balance_only(wallet: Wallet) -> None:
    wallet.poll()
    spend(wallet, 100, 60.0, 2)
    wallet.available, wallet.topup = 2000 * USD, 1500 * USD
    spend(wallet, 1, 60.0, 2)
    assert wallet.runway() == pytest.approx(2000 / 2 * 60)


def test_a_balance_that_is_unknown_or_spent_has_its_runway(wallet: Wallet) -> None:
    wallet.poll()
    spend(wallet, 20, 60.0, 1)
    wallet.available = -5 * USD
    wallet.poll()
    assert wallet.runway() == 0.0
    wallet.available = None
    wallet.poll()
    assert wallet.runway() is None


def test_a_restart_keeps_the_runway(wallet: Wallet) -> None:
    wallet.poll()
    spend(wallet, 50, 60.0, 2)
    before = wallet.runway()
    wallet.exporter.restart()
    assert wallet.runway() == before


@pytest.mark.parametrize("jump", [-5 * HOUR, 5 * HOUR, 400 * HOUR])
def test_a_clock_that_jumps_does_not_disturb_the_runway_for_long(
    wallet: Wallet, jump: float
) -> None:
    wallet.poll()
    spend(wallet, 100, 60.0, 2)
    wallet.exporter.clock = jump
    spend(wallet, 10, 60.0, 2)
    wallet.exporter.clock = 0.0
    spend(wallet, 10, 60.0, 2)
    runway = wallet.runway()
    assert runway is None or runway > 0
    spend(wallet, 400, 60.0, 2)
    assert wallet.runway() == pytest.approx(1000 / 2 * 60)


def test_without_lifetime_spend_the_runway_follows_usage(wallet: Wallet) -> None:
    wallet.hidden = True
    wallet.poll()
    for _ in range(100):
        wallet.world.bill(2 * USD)
        wallet.round()
    assert wallet.runway() == pytest.approx(1000 / 2 * 60, rel=0.05)
    assert wallet.drift() is None


# -- by the time of the rows ------------------------------------------------------------


@pytest.mark.parametrize("shape", UsageShape)
@pytest.mark.parametrize("away", [1, 5, 30, 15 * 24])
def test_what_is_caught_up_is_spent_when_its_rows_say(
    wallet: Wallet, shape: UsageShape, away: int
) -> None:
    wallet.hidden, wallet.exporter.shape = True, shape
    wallet.exporter.poll()
    pass_hours(wallet, 4)
    pass_hours(wallet, away, polled=False)
    for restart in (False, True):
        if restart:
            wallet.exporter.restart()
        while not wallet.exporter.poll():  # growth may be doubted once
            assert wallet.exporter.totals.usage_rate is None
        wallet.round()
        assert per_hour(wallet.exporter.totals.usage_rate) == pytest.approx(4, rel=0.15)
    pass_hours(wallet, 3)
    assert per_hour(wallet.exporter.totals.usage_rate) == pytest.approx(4, rel=0.1)


def test_no_rate_of_rows_is_known_before_they_are_caught_up(wallet: Wallet) -> None:
    wallet.exporter.poll()
    pass_hours(wallet, 2)
    pass_hours(wallet, 40, polled=False)
    wallet.exporter.poll(slices=1)
    assert wallet.exporter.totals.usage_rate is None
    wallet.exporter.poll()
    assert per_hour(wallet.exporter.totals.usage_rate) == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("shape", UsageShape)
def test_rows_of_yesterday_that_a_sweep_finds_are_no_spend_of_now(
    wallet: Wallet, shape: UsageShape
) -> None:
    wallet.exporter.shape = shape
    wallet.exporter.poll()
    wallet.world.bill(900 * USD, late=30 * HOUR)
    wallet.world.bill(4 * USD, back=1)
    pass_hours(wallet, 32)
    wallet.world.now += 25 * HOUR
    pass_hours(wallet, 7)
    assert sum(total.cost for total in wallet.exporter.totals.usage) > 900 * USD
    assert per_hour(wallet.exporter.totals.usage_rate) == pytest.approx(4, rel=0.15)


def test_history_before_the_first_poll_is_spent_when_its_rows_say(
    make_exporter: MakeExporter,
) -> None:
    wallet = Wallet(make_exporter(back=72 * HOUR))
    for hour in range(1, 72):
        wallet.world.bill(4 * USD, back=hour * HOUR)
    wallet.exporter.poll()
    assert per_hour(wallet.exporter.totals.usage_rate) == pytest.approx(4, rel=0.2)


def test_growth_that_is_doubted_is_not_spent_and_what_is_taken_back_no_longer(
    wallet: Wallet,
) -> None:
    wallet.exporter.shape = UsageShape.ROLLUP
    wallet.exporter.poll()
    pass_hours(wallet, 8)
    wallet.world.times = 100
    wallet.world.now += 60
    wallet.exporter.poll()
    assert per_hour(wallet.exporter.totals.usage_rate) == pytest.approx(4, rel=0.1)
    wallet.exporter.poll()
    assert (per_hour(wallet.exporter.totals.usage_rate) or 0) > 40
    wallet.world.times = 1
    wallet.round()
    assert per_hour(wallet.exporter.totals.usage_rate) == pytest.approx(4, rel=0.1)


def test_a_rate_is_unknown_until_a_part_of_its_window_was_watched(wallet: Wallet) -> None:
    wallet.exporter.poll()
    wallet.poll()
    for _ in range(14):
        wallet.world.bill(USD)
        wallet.round()
        assert wallet.exporter.totals.usage_rate is None
        assert wallet.exporter.totals.wallet_rate is None
    wallet.round()
    assert wallet.exporter.totals.usage_rate == Rate(14 * USD, 15 * 60)
    assert wallet.exporter.totals.wallet_rate == Rate(14 * USD, 15 * 60)


# -- by what balances do ----------------------------------------------------------------


def left(wallet: Wallet, *balances: float, every: float = 300) -> float | None:
    """What an hour costs the organization that has so much left, poll by poll."""
    for balance in balances:
        wallet.left = round(balance * USD)
        wallet.poll()
        wallet.world.now += every
    return per_hour(wallet.exporter.totals.organization_rate)


def test_a_balance_that_falls_steadily_has_its_rate_and_topups_are_left_out(
    wallet: Wallet,
) -> None:
    assert left(wallet, *(500 - n for n in range(50))) == pytest.approx(12)
    assert left(wallet, *(950 - n for n in range(40))) == pytest.approx(12)


def test_the_time_in_which_a_topup_came_is_not_watched(wallet: Wallet) -> None:
    """What was spent in those five hours nobody can tell."""
    assert left(wallet, *(100 - n for n in range(12))) == pytest.approx(12)
    wallet.world.now += 5 * HOUR
    assert left(wallet, 200, *(199 - n for n in range(12))) == pytest.approx(12)


def test_what_is_held_and_comes_back_is_not_spent(wallet: Wallet) -> None:
    assert left(wallet, *(100 - 20 * (n % 2) for n in range(51))) == 0


def test_a_balance_that_does_not_fall_has_a_rate_of_nothing(wallet: Wallet) -> None:
    assert left(wallet, *[57] * 30) == 0


def test_what_fell_while_nothing_was_polled_fell_all_the_time(wallet: Wallet) -> None:
    left(wallet, *(500 - n for n in range(24)))
    wallet.world.now += 5 * HOUR
    assert left(wallet, 500 - 24 - 60) == pytest.approx(12, rel=0.05)


def test_another_organization_has_its_own_balance(wallet: Wallet) -> None:
    wallet.organization = Organization("1", "One", "member")
    left(wallet, *(9000 - n for n in range(30)))
    wallet.organization = Organization("2", "Two", "member")
    assert left(wallet, *(50 - n for n in range(3))) is None
    assert left(wallet, *(47 - n for n in range(10))) == pytest.approx(12)


def test_a_wallet_without_rows_and_lifetime_spend_falls_as_its_balance_does(
    wallet: Wallet,
) -> None:
    wallet.hidden = True
    for number in range(30):
        wallet.available = (1000 - number) * USD
        wallet.poll()
        wallet.world.now += 300
    assert per_hour(wallet.exporter.totals.wallet_rate) == pytest.approx(12)
    wallet.available = 2000 * USD
    wallet.poll()
    assert per_hour(wallet.exporter.totals.wallet_rate) == pytest.approx(12)

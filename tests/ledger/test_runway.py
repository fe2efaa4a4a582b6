"""How long the balance lasts at the rate of the last hours."""

from __future__ import annotations

import pytest

from tests.ledger.test_wallet import USD, Wallet, wallet
from tests.ledger.world import HOUR

__all__ = ["wallet"]


def spend(wallet: Wallet, polls: int, every: float, usd: int) -> None:
    for _ in range(polls):
        wallet.world.now += every
        wallet.unlogged += usd * USD
        wallet.poll()


def test_runway_is_exact_on_steady_spend(wallet: Wallet) -> None:
    wallet.poll()
    spend(wallet, 600, 60.0, 2)
    assert wallet.runway() == pytest.approx(1000 / 2 * 60)
    (number,) = wallet.exporter.store.db.execute("SELECT COUNT(*) FROM spend_sample").fetchone()
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
    spend(wallet, 10, 60.0, 1)
    wallet.available = -5 * USD
    wallet.poll()
    assert wallet.runway() == 0.0
    wallet.available = None
    wallet.poll()
    assert wallet.runway() is None


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
    wallet.hidden = False  # the two do not compare
    wallet.round()
    assert wallet.runway() is None

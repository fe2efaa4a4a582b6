"""The wallet that pays for an account's calls, and how long it lasts.

Page and metrics ask here, so that both speak of the same wallet. The alert rules tell it by the
attributes of `bytespike.account.info` in the same way.
"""

from __future__ import annotations

import msgspec

from exporter.gateway.readings import Endpoint
from exporter.ledger.spend import Rate
from exporter.ledger.totals import AccountTotals
from exporter.live import LiveAccount
from exporter.metrics.from_readings import account_reading


class Payer(msgspec.Struct, frozen=True):
    """A wallet: what it holds (nano-USD) and how fast money leaves it, each None while unknown."""

    organization: bool
    balance: int | None
    rate: Rate | None

    @property
    def runway(self) -> float | None:
        """Seconds until the wallet is empty; None where that is unknown, or nothing is spent."""
        if self.balance is None or self.rate is None or self.rate.spent <= 0:
            return None
        return max(self.balance, 0) * self.rate.seconds / self.rate.spent


def payer(account: LiveAccount, totals: AccountTotals, now: float) -> Payer | None:
    """Who pays at `now` (Unix s); None while the account's reading is unknown."""
    reading = account_reading(account, now)
    if reading is None:
        return None
    organization = organizations(account, totals, now)
    if reading.paid_by_organization(organization.balance is not None):
        return organization
    # By the rows, whose times are known; while they are not read, by what the wallet says itself.
    usage = account.endpoints.get(Endpoint.USAGE)
    rate = None if usage is None or usage.stale(now) else totals.usage_rate
    return Payer(False, reading.available, rate or totals.wallet_rate)


def organizations(account: LiveAccount, totals: AccountTotals, now: float) -> Payer:
    """The organization's wallet, whoever pays: others of its members spend from it too."""
    return Payer(True, account.organization_left(now), totals.organization_rate)

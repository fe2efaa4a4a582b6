"""What really happened, for tests to compare with. Money in credits, instants in Unix s."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import astuple

import msgspec

from bytespike_simulator.account import Account
from bytespike_simulator.rows import Sums


class UsageTruth(msgspec.Struct, frozen=True):
    """One key and model. `rebated_*` is what the rollup later took back of the rest."""

    key_id: int
    key_name: str
    masked: str
    model: str
    credits: int
    input_tokens: int
    output_tokens: int
    calls: int
    rebated_credits: int = 0
    rebated_input_tokens: int = 0
    rebated_output_tokens: int = 0
    rebated_calls: int = 0


class BillingTruth(msgspec.Struct, frozen=True):
    """One kind of movement in one direction (`credit` or `debit`); `amount` is not negative."""

    kind: str
    direction: str
    amount: int
    count: int


class WalletTruth(msgspec.Struct, frozen=True):
    """The wallet: `available = balance - held`, `balance = topup + other - spent`."""

    topup: int
    other: int
    spent: int
    balance: int
    held: int
    available: int


class Truth(msgspec.Struct, frozen=True):
    """The world at `now`. `usage` is sorted by key id and model, `billing` by kind."""

    now: float
    usage: tuple[UsageTruth, ...]
    billing: tuple[BillingTruth, ...]
    wallet: WalletTruth
    rows: int
    in_flight: int

    @property
    def credits(self) -> int:
        """Everything charged for calls, rebates not taken off."""
        return sum(usage.credits for usage in self.usage)


def tell(account: Account, since: float | None) -> Truth:
    """What has happened up to now; `since`: what was created or posted from then (Unix s)."""
    return Truth(
        now=account.now,
        usage=_usage(account, since),
        billing=_billing(account, since),
        wallet=msgspec.convert(account.wallet, WalletTruth, from_attributes=True),
        rows=len(account.rows),
        in_flight=account.in_flight,
    )


def _usage(account: Account, since: float | None) -> tuple[UsageTruth, ...]:
    gross: dict[tuple[int, int], Sums] = account.totals
    taken: dict[tuple[int, int], Sums] = defaultdict(Sums)
    if since is not None:
        gross = defaultdict(Sums)
        for row in account.rows_between(since, float(1 << 40)):
            gross[row.key, row.model].add(row.sums)
    for row, sums in account.rebates:
        if since is None or row.created >= round(since * 1000):
            taken[row.key, row.model].add(sums)
    truths = []
    for (key, model), sums in sorted(gross.items()):
        who, name = account.keys[key], account.models[model].id
        amounts = *astuple(sums), *astuple(taken[key, model])
        truths.append(UsageTruth(who.id, who.name, who.masked, name, *amounts))
    return tuple(truths)


def _billing(account: Account, since: float | None) -> tuple[BillingTruth, ...]:
    amounts: dict[tuple[str, str], list[int]] = defaultdict(list)
    for movement in account.wallet.movements:
        if movement.status is None and (since is None or movement.created >= since):
            direction = "debit" if movement.amount < 0 else "credit"
            amounts[movement.kind, direction].append(abs(movement.amount))
    return tuple(
        BillingTruth(kind, direction, sum(parts), len(parts))
        for (kind, direction), parts in sorted(amounts.items())
    )

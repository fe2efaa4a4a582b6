"""What really happened, for tests to compare with. Money in credits, instants in Unix s."""

from __future__ import annotations

import msgspec


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

    @property
    def rebated(self) -> int:
        """What the rollup took back."""
        return sum(usage.rebated_credits for usage in self.usage)

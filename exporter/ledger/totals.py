"""What the ledger has counted, as the snapshot reads it. Money in nano-USD."""

from __future__ import annotations

import msgspec


class UsageTotal(msgspec.Struct, frozen=True):
    """One usage series. Values never fall.

    `start_ns` (Unix ns) is the start of the cumulative stream, and the time of its zero point.
    `fresh` until a receiver has been sent that zero point.
    """

    id: int
    key_id: str
    key_name: str
    model: str
    start_ns: int
    fresh: bool
    cost: int
    input_tokens: int
    output_tokens: int
    requests: int


class BillingTotal(msgspec.Struct, frozen=True):
    """One kind of wallet movement in one direction (`credit` or `debit`); `fresh` as above."""

    id: int
    kind: str
    direction: str
    start_ns: int
    fresh: bool
    amount: int
    count: int


class AccountTotals(msgspec.Struct, frozen=True):
    """Everything that the ledger knows of one account.

    `topup`, `spent`: the gateway's lifetime counters, high-water marks, which began at
    `wallet_start_ns`; None until read. `runway` in seconds, `drift` in nano-USD, None while
    unknown. `last_transactions`: kind → Unix seconds of its newest transaction. Nothing before
    `counted_from` (Unix s) is counted.
    """

    usage: tuple[UsageTotal, ...] = ()
    billing: tuple[BillingTotal, ...] = ()
    last_transactions: tuple[tuple[str, float], ...] = ()
    overcount: int | None = None
    folded: int | None = None
    topup: int | None = None
    spent: int | None = None
    wallet_start_ns: int = 0
    runway: float | None = None
    drift: int | None = None
    counted_from: float = 0.0

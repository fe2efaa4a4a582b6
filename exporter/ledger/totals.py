"""What the ledger has counted, as the snapshot reads it. Money in nano-USD."""

from __future__ import annotations

import sqlite3

import msgspec

from exporter.ledger import billing, spend, wallet
from exporter.ledger.spend import Rate


class UsageTotal(msgspec.Struct, frozen=True):
    """One usage series. Values never fall.

    `start_ns` (Unix ns) is the start of the cumulative stream, and the time of its zero point.
    `fresh` until a receiver has been sent that zero point. `caches`: 0 while no row has told tokens
    of caches, 1 until the zero points of these were sent, then 2.
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
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0
    caches: int = 0


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
    `wallet_start_ns`; None until read. `drift` in nano-USD, None while unknown. How fast money is
    spent, None while unknown: `usage_rate` by the time of the rows, `wallet_rate` as the wallet
    tells it, `organization_rate` as the organization's balance falls. `last_transactions`: kind →
    Unix seconds of its newest transaction. Nothing before `counted_from` (Unix s) is counted.
    `pending`: kind, nano-USD and number of the movements that are announced and not yet money.
    """

    usage: tuple[UsageTotal, ...] = ()
    billing: tuple[BillingTotal, ...] = ()
    last_transactions: tuple[tuple[str, float], ...] = ()
    overcount: int | None = None
    folded: int | None = None
    topup: int | None = None
    spent: int | None = None
    wallet_start_ns: int = 0
    drift: int | None = None
    usage_rate: Rate | None = None
    wallet_rate: Rate | None = None
    organization_rate: Rate | None = None
    counted_from: float = 0.0
    pending: tuple[tuple[str, int, int], ...] = ()


def read_totals(db: sqlite3.Connection, account: int, runway_window: float) -> AccountTotals:
    """Everything that was counted for one account (its id). `runway_window` in seconds."""
    topup, spent, start_ns, low, high = db.execute(
        "SELECT topup, spent, wallet_start_ns, drift_low, drift_high FROM account WHERE id = ?",
        (account,),
    ).fetchone()
    (overcount,) = db.execute(
        "SELECT COALESCE(SUM(shown_cost - cost), 0) FROM series WHERE account = ?", (account,)
    ).fetchone()
    (folded,) = db.execute("SELECT COUNT(*) FROM folded WHERE account = ?", (account,)).fetchone()
    caught_up, polled, counted_from = db.execute(
        "SELECT caught_up, caught_up OR newest IS NOT NULL, start FROM cursor "
        "WHERE account = ? AND stream = 'usage'",
        (account,),
    ).fetchone() or (False, False, 0.0)
    last_transactions = db.execute(
        "SELECT kind, created_at FROM last_transaction WHERE account = ? ORDER BY kind", (account,)
    )
    return AccountTotals(
        usage=_read_usage(db, account),
        billing=_read_billing(db, account),
        last_transactions=tuple(last_transactions),
        overcount=overcount if polled else None,
        folded=folded,
        topup=topup,
        spent=spent,
        wallet_start_ns=start_ns,
        drift=wallet.drift_between(low, high),
        usage_rate=spend.rate(db, account, spend.USAGE, runway_window) if caught_up else None,
        wallet_rate=spend.rate_of_wallet(db, account, runway_window),
        organization_rate=spend.rate_of_organization(db, account, runway_window),
        counted_from=counted_from,
        pending=tuple(billing.pending(db, account)),
    )


def read_polled(db: sqlite3.Connection) -> dict[str, dict[str, int]]:
    """When the last complete poll of each stream began (Unix ns), by account.

    Only of streams that have counted something.
    """
    rows = db.execute(
        "SELECT name, stream, polled_ns FROM account JOIN cursor ON cursor.account = account.id "
        "WHERE CASE stream WHEN 'usage' "
        "THEN EXISTS (SELECT 1 FROM series WHERE series.account = account.id) "
        "ELSE EXISTS (SELECT 1 FROM billing WHERE billing.account = account.id) END"
    )
    polled: dict[str, dict[str, int]] = {}
    for name, stream, at in rows:
        polled.setdefault(name, {})[stream] = at
    return polled


def _read_usage(db: sqlite3.Connection, account: int) -> tuple[UsageTotal, ...]:
    rows = db.execute(
        "SELECT id, shown_id, shown_name, model, start_ns, fresh, shown_cost, shown_input_tokens, "
        "shown_output_tokens, shown_requests, shown_cache_read_tokens, "
        "shown_cache_creation_tokens, caches FROM series WHERE account = ? ORDER BY id",
        (account,),
    )
    # The same few keys and models stand in all rows, which then share their texts.
    share: dict[str, str] = {}
    return tuple(
        UsageTotal(
            id_,
            share.setdefault(key_id, key_id),
            share.setdefault(key_name, key_name),
            share.setdefault(model, model),
            start_ns,
            bool(fresh),
            *counted,
        )
        for id_, key_id, key_name, model, start_ns, fresh, *counted in rows
    )


def _read_billing(db: sqlite3.Connection, account: int) -> tuple[BillingTotal, ...]:
    rows = db.execute(
        "SELECT id, kind, direction, start_ns, fresh, amount, count FROM billing "
        "WHERE account = ? ORDER BY id",
        (account,),
    )
    return tuple(
        BillingTotal(id_, kind, direction, start_ns, bool(fresh), amount, count)
        for id_, kind, direction, start_ns, fresh, amount, count in rows
    )

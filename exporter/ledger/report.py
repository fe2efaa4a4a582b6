"""The state file → totals. Reads only."""

from __future__ import annotations

import sqlite3

from exporter.ledger import wallet
from exporter.ledger.totals import AccountTotals, BillingTotal, UsageTotal


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
    polled, counted_from = db.execute(
        "SELECT caught_up OR newest IS NOT NULL, start FROM cursor "
        "WHERE account = ? AND stream = 'usage'",
        (account,),
    ).fetchone()
    return AccountTotals(
        usage=_usage(db, account),
        billing=_billing(db, account),
        last_transactions=tuple(
            db.execute(
                "SELECT kind, created_at FROM last_transaction WHERE account = ? ORDER BY kind",
                (account,),
            )
        ),
        overcount=overcount if polled else None,
        folded=folded,
        topup=topup,
        spent=spent,
        wallet_start_ns=start_ns,
        runway=wallet.runway(db, account, runway_window),
        drift=wallet.drift_between(low, high),
        counted_from=counted_from,
    )


def _usage(db: sqlite3.Connection, account: int) -> tuple[UsageTotal, ...]:
    rows = db.execute(
        "SELECT id, shown_id, shown_name, model, start_ns, fresh, shown_cost, shown_input_tokens, "
        "shown_output_tokens, shown_requests FROM series WHERE account = ? ORDER BY id",
        (account,),
    )
    shared: dict[str, str] = {}
    return tuple(_usage_total(shared, *row) for row in rows)


def _usage_total(
    shared: dict[str, str],
    id_: int,
    key_id: str,
    key_name: str,
    model: str,
    start_ns: int,
    fresh: int,
    *counted: int,
) -> UsageTotal:
    # The same few keys and models stand in all rows, which then share their texts.
    key_id, key_name, model = (shared.setdefault(text, text) for text in (key_id, key_name, model))
    return UsageTotal(id_, key_id, key_name, model, start_ns, bool(fresh), *counted)


def _billing(db: sqlite3.Connection, account: int) -> tuple[BillingTotal, ...]:
    rows = db.execute(
        "SELECT id, kind, direction, start_ns, fresh, amount, count FROM billing "
        "WHERE account = ? ORDER BY id",
        (account,),
    )
    return tuple(_billing_total(*row) for row in rows)


def _billing_total(
    id_: int, kind: str, direction: str, start_ns: int, fresh: int, amount: int, count: int
) -> BillingTotal:
    return BillingTotal(id_, kind, direction, start_ns, bool(fresh), amount, count)

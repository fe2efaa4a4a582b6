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
    (polled,) = db.execute(
        "SELECT caught_up OR newest IS NOT NULL FROM cursor WHERE account = ? AND stream = 'usage'",
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
    )


def _usage(db: sqlite3.Connection, account: int) -> tuple[UsageTotal, ...]:
    rows = db.execute(
        "SELECT id, shown_id, shown_name, model, start_ns, fresh, shown_cost, shown_input_tokens, "
        "shown_output_tokens, shown_requests FROM series WHERE account = ? ORDER BY id",
        (account,),
    )
    return tuple(UsageTotal(*row[:5], bool(row[5]), *row[6:]) for row in rows)


def _billing(db: sqlite3.Connection, account: int) -> tuple[BillingTotal, ...]:
    rows = db.execute(
        "SELECT id, kind, direction, start_ns, fresh, amount, count FROM billing "
        "WHERE account = ? ORDER BY id",
        (account,),
    )
    return tuple(BillingTotal(*row[:4], bool(row[4]), *row[5:]) for row in rows)

"""Ledger totals and newest readings → points. Pure: what is unknown has no point.

Money becomes a binary float here and nowhere earlier. Gauges that show what the gateway said are
in `from_readings`, the ledger's counters in `from_ledger`, what the tap saw in `from_traffic`, the
exporter's own numbers in `from_exporter`.
"""

from __future__ import annotations

from collections.abc import Mapping

from exporter.ledger.totals import AccountTotals
from exporter.live import Live
from exporter.metrics import from_exporter, from_ledger, from_readings, from_traffic
from exporter.metrics.points import Draft, Point, Snapshot

__all__ = ("Point", "Snapshot", "take")


def take(live: Live, totals: Mapping[str, AccountTotals] | None, now: float) -> Snapshot:
    """All points at `now` (Unix s). `totals` by account name; an account without any has none.

    None where the state cannot be read: then what was counted is missing.

    To be called where the live is written: it must not change meanwhile. The snapshot shares
    nothing with it that changes later.
    """
    draft = Draft(now)
    for account in live.accounts.values():
        from_readings.add(draft, account)
        if totals is not None:
            from_ledger.add(draft, account, totals.get(account.name, AccountTotals()))
        from_traffic.add_account(draft, account)
        from_exporter.add_account(draft, account, live.started_at)
    from_traffic.add_process(draft, live)
    from_exporter.add_process(draft, live)
    return draft.done()

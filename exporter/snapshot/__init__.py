"""Ledger totals and newest readings → points. Pure: what is unknown has no point.

Money becomes a binary float here and nowhere earlier. Gauges that show what the gateway said are
in `readings`, the ledger's counters in `counted`, what the tap saw in `traffic`, the exporter's
own numbers in `own`.
"""

from __future__ import annotations

from collections.abc import Mapping

from exporter.board import Board
from exporter.ledger.totals import AccountTotals
from exporter.snapshot import counted, own, readings, traffic
from exporter.snapshot.points import Draft, Point, Snapshot

__all__ = ("Point", "Snapshot", "take")


def take(board: Board, totals: Mapping[str, AccountTotals], now: float) -> Snapshot:
    """All points at `now` (Unix s). `totals` by account name; an account without any has none.

    To be called where the board is written: it must not change meanwhile. The snapshot shares
    nothing with it that changes later.
    """
    draft = Draft(now)
    for account in board.accounts.values():
        counts = totals.get(account.name, AccountTotals())
        readings.add(draft, account)
        counted.add(draft, account, counts)
        traffic.add_account(draft, account)
        own.add_account(draft, account, counts, board.started_at)
    traffic.add_process(draft, board)
    own.add_process(draft, board)
    return draft.done()

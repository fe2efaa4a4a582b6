"""Tokens of caches in a series that was counted without them."""

from __future__ import annotations

from exporter.gateway.readings import UsageRow
from exporter.ledger.ledger import Ledger
from exporter.ledger.totals import UsageTotal
from tests.ledger.conftest import FIRST
from tests.ledger.exporter import NAME
from tests.ledger.test_naming import ID, NOW, TAIL


def count(ledger: Ledger, request: str, caches: int | None) -> UsageTotal:
    row = UsageRow(request, FIRST + 1, "m", ID, 1, 1, 1, caches, caches)
    ledger.commit_log(NAME, [row], TAIL, None, NOW)
    return newest(ledger)


def newest(ledger: Ledger) -> UsageTotal:
    (total,) = ledger.totals()[NAME].usage
    return total


def test_tokens_told_while_other_zero_points_are_sent_wait_for_their_own(ledger: Ledger) -> None:
    sent = count(ledger, "a", None)
    assert (sent.fresh, sent.caches) == (True, 0)
    count(ledger, "b", 7)  # between the snapshot and the word that its zero points arrived
    ledger.zero_points_sent([sent.id], [])
    assert (newest(ledger).fresh, newest(ledger).caches) == (False, 1)
    ledger.zero_points_sent([], [], [sent.id])
    assert newest(ledger).caches == 2

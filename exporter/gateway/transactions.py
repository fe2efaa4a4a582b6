"""Wallet movements that were not API calls (contract §4)."""

from __future__ import annotations

from typing import Final

from exporter.gateway.dialects import read_answer, unknown
from exporter.gateway.fields import identifier, instant, money, text
from exporter.gateway.jsontext import Json
from exporter.gateway.listing import ListAnswer, listing, read_each
from exporter.gateway.readings import Stage, Transaction

_MAX_KIND: Final = 64
_PENDING: Final = frozenset({"pending", "processing", "created", "requires_action", "unpaid"})
_FAILED: Final = frozenset(
    {"failed", "canceled", "cancelled", "declined", "rejected", "expired", "void", "voided"}
)


def read_transactions(body: bytes) -> ListAnswer[Transaction]:
    """One page. Raises BadResponseError."""
    answer = read_answer(body)
    page = listing(answer)
    if page is None:
        raise unknown(answer, 'a list of transactions ("items")')
    good, bad = read_each(page.rows, _transaction, ("id",))
    ids = [item.id for item in good] + [entry.row_id for entry in bad]
    return ListAnswer(good, bad, page.facts(ids, [item.created_at for item in good]))


def _transaction(row: dict[str, Json]) -> Transaction:
    ident = identifier(row.get("id"))
    if ident is None:
        raise ValueError("id is missing or unusable")
    created_at = instant(row.get("created_at"))
    if created_at is None:
        raise ValueError("created_at is missing or not a time")
    kind = text(row.get("kind"), _MAX_KIND)
    if kind is None:
        raise ValueError("kind is missing or not a text")
    amount = money(row.get("amount_usd"), signed=True)
    if amount is None:
        raise ValueError("amount_usd is missing or not an amount")
    return Transaction(ident, created_at, kind, amount, _stage(text(row.get("status"))))


def _stage(status: str | None) -> Stage:
    """`pending` and `failed`, and what others call them, are no money; all else is."""
    word = (status or "").strip().lower()
    if word in _PENDING:
        return Stage.PENDING
    return Stage.FAILED if word in _FAILED else Stage.GOOD

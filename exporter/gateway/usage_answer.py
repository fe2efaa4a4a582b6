"""`/me/usage` in either shape (contract §3): rows of the log, or buckets of the rollup.

Each row is read by itself and leniently: one that cannot be read costs only itself.
"""

from __future__ import annotations

from exporter.gateway import dialects as d
from exporter.gateway.fields import (
    UNKNOWN_MODEL,
    charge,
    credits_to_nanos,
    identifier,
    instant,
    key_ref,
    number,
    text,
)
from exporter.gateway.jsontext import Json
from exporter.gateway.listing import ListAnswer, listing, read_each
from exporter.gateway.readings import KeyRef, UsageRow
from exporter.gateway.rollup_answer import ModelSums, RollupAnswer, read_models, read_rollup, whole

UsageAnswer = ListAnswer[UsageRow] | RollupAnswer


def read_usage(
    body: bytes, own: KeyRef, credits_per_usd: int, model: str | None = None
) -> UsageAnswer:
    """A page of the log, or of the rollup. Rows that name no key belong to `own`.

    Raises BadResponseError.
    """
    answer = d.read_answer(body)
    if isinstance(answer, dict) and isinstance(entries := answer.get("buckets"), list):
        return read_rollup(answer, entries, own, model)
    page = listing(answer)
    if page is None:
        expected = 'a list of rows ("items", "data", "rows" or "usage") or "buckets"'
        raise d.unknown(answer, f"{expected}: is base_url the gateway's?")
    rows, bad = read_each(page.rows, lambda row: _row(row, own, credits_per_usd), d.REQUEST_ID)
    ids = [row.request_id for row in rows] + [entry.row_id for entry in bad]
    return ListAnswer(rows, bad, page.facts(ids, [row.created_at for row in rows]))


def read_model_sums(body: bytes) -> ModelSums:
    """A rollup by model alone. Raises BadResponseError."""
    answer = d.read_answer(body)
    entries = answer.get("buckets") if isinstance(answer, dict) else None
    if not isinstance(answer, dict) or not isinstance(entries, list):
        raise d.unknown(answer, '"buckets"')
    return read_models(entries, answer.get("totals"))


def _row(row: dict[str, Json], own: KeyRef, credits_per_usd: int) -> UsageRow:
    """One billed call (contract §3a). A call that names no tokens, as for images, has none."""
    request_id = identifier(row.get("request_id")) or identifier(row.get("id"))
    if request_id is None:
        raise ValueError("request_id is missing or unusable")
    created_at = instant(row.get("created_at"))
    if created_at is None:
        raise ValueError("created_at is missing or not a time")
    return UsageRow(
        request_id,
        created_at,
        text(row.get("model")) or UNKNOWN_MODEL,
        key_ref(row, own),
        _cost(row, credits_per_usd),
        _tokens(row, d.INPUT_TOKENS),
        _tokens(row, d.OUTPUT_TOKENS),
        _cached(row, d.CACHE_READ_TOKENS),
        _cached(row, d.CACHE_CREATION_TOKENS),
    )


def _cost(row: dict[str, Json], credits_per_usd: int) -> int:
    """What was charged, in nano-USD; the list price only where nothing else is told."""
    charged = d.first(row, d.CHARGED_USD)
    if charged is None:
        credits = number(row.get("credits"))
        if credits is not None:
            return credits_to_nanos(credits, credits_per_usd)
        if row.get("credits") is None:
            charged = d.first(row, d.LIST_PRICE_USD)
        if charged is None:
            raise ValueError("credits is missing or not a number")
    cost = charge(charged)
    if cost is None:
        raise ValueError("the cost is not an amount, negative or absurd")
    return cost


def _cached(row: dict[str, Json], names: d.Names) -> int | None:
    """Tokens of a cache; None where the row does not tell."""
    return None if d.first(row, names) is None else _tokens(row, names)


def _tokens(row: dict[str, Json], names: d.Names) -> int:
    value = d.first(row, names)
    return 0 if value is None else whole(names[0], value)

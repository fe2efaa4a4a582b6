"""`/me/usage` in either shape (contract §3): rows of the log, or buckets of the rollup.

Each row is read by itself and leniently: one that cannot be read costs only itself.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from exporter.errors import BadResponseError
from exporter.gateway.fields import (
    UNKNOWN_MODEL,
    credits_to_nanos,
    identifier,
    instant,
    key_ref,
    number,
    text,
)
from exporter.gateway.jsontext import Json, parse
from exporter.gateway.listing import ListAnswer, listing, read_each
from exporter.gateway.readings import KeyRef, Rejected, UsageRow
from exporter.gateway.rollup_answer import ModelSums, RollupAnswer, read_models, read_rollup, whole
from exporter.money import CREDITS_PER_USD

UsageAnswer = ListAnswer[UsageRow] | RollupAnswer


def read_usage(
    body: bytes, own: KeyRef, credits_per_usd: int | None, model: str | None = None
) -> UsageAnswer:
    """A page of the log, or of the rollup. Rows that name no key belong to `own`.

    Where it is not known how many credits make one USD, rows say what they cost in credits alone.
    Raises BadResponseError.
    """
    answer = parse(body)
    if isinstance(answer, dict) and isinstance(entries := answer.get("buckets"), list):
        return read_rollup(answer, entries, own, model)
    page = listing(answer)
    if page is None:
        raise BadResponseError(
            'the answer holds neither "buckets" nor a list of rows ("items", "data", "rows" '
            'or "usage"): is base_url the gateway\'s?'
        )
    rows, bad = read_each(page.rows, lambda row: _row(row, own, credits_per_usd), "request_id")
    ids = [row.request_id for row in rows] + [entry.row_id for entry in bad]
    return ListAnswer(rows, bad, page.facts(ids, [row.created_at for row in rows]))


def read_model_sums(body: bytes) -> ModelSums:
    """A rollup by model alone. Raises BadResponseError."""
    answer = parse(body)
    entries = answer.get("buckets") if isinstance(answer, dict) else None
    if not isinstance(answer, dict) or not isinstance(entries, list):
        raise BadResponseError('the answer holds no "buckets"')
    return read_models(entries, answer.get("totals"))


def priced(
    rows: Iterable[UsageRow], credits_per_usd: int
) -> tuple[list[UsageRow], tuple[Rejected, ...]]:
    """Rows that waited for the unit, with what they cost; and those that would cost too much."""
    good: list[UsageRow] = []
    bad: list[Rejected] = []
    for row in rows:
        if row.credits is None:
            good.append(row)
            continue
        try:
            cost = credits_to_nanos(row.credits, credits_per_usd)
        except ValueError as error:
            bad.append(Rejected(row.request_id, str(error)))
        else:
            good.append(msgspec.structs.replace(row, cost=cost, credits=None))
    return good, tuple(bad)


def _row(row: dict[str, Json], own: KeyRef, credits_per_usd: int | None) -> UsageRow:
    """One billed call (contract §3a). A call that names no tokens, as for images, has none."""
    get = row.get
    request_id = identifier(get("request_id"))
    if request_id is None:
        raise ValueError("request_id is missing or unusable")
    created_at = instant(get("created_at"))
    if created_at is None:
        raise ValueError("created_at is missing or not a time")
    credits = number(get("credits"))
    if credits is None:
        raise ValueError("credits is missing or not a number")
    cost = credits_to_nanos(credits, credits_per_usd or CREDITS_PER_USD)
    waits = credits_per_usd is None and credits != 0  # nothing is nothing in any unit
    prompt, completion = get("prompt_tokens"), get("completion_tokens")
    return UsageRow(
        request_id,
        created_at,
        text(get("model")) or UNKNOWN_MODEL,
        key_ref(get("api_key"), own),
        0 if waits else cost,
        0 if prompt is None else whole("prompt_tokens", prompt),
        0 if completion is None else whole("completion_tokens", completion),
        credits if waits else None,
    )

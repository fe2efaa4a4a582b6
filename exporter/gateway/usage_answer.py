"""`/me/usage` in either shape (contract §3): rows of the log, or buckets of the rollup.

Each row is read by itself and leniently: one that cannot be read costs only itself.
"""

from __future__ import annotations

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
from exporter.gateway.readings import KeyRef, UsageRow
from exporter.gateway.rollup_answer import ModelSums, RollupAnswer, read_models, read_rollup, whole

UsageAnswer = ListAnswer[UsageRow] | RollupAnswer


def read_usage(
    body: bytes, own: KeyRef, credits_per_usd: int, model: str | None = None
) -> UsageAnswer:
    """A page of the log, or of the rollup. Rows that name no key belong to `own`.

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


def _row(row: dict[str, Json], own: KeyRef, credits_per_usd: int) -> UsageRow:
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
    prompt, completion = get("prompt_tokens"), get("completion_tokens")
    return UsageRow(
        request_id,
        created_at,
        text(get("model")) or UNKNOWN_MODEL,
        key_ref(get("api_key"), own),
        credits_to_nanos(credits, credits_per_usd),
        0 if prompt is None else whole("prompt_tokens", prompt),
        0 if completion is None else whole("completion_tokens", completion),
    )

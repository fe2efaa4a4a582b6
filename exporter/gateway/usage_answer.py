"""`/me/usage` in either shape (contract §3): rows of the log, or buckets of the rollup.

Each row is read by itself and leniently: one that cannot be read costs only itself.
"""

from __future__ import annotations

from typing import Final

import msgspec

from exporter.errors import BadResponseError
from exporter.gateway.fields import (
    UNKNOWN_MODEL,
    charge,
    count,
    credits_to_nanos,
    identifier,
    instant,
    is_day,
    key_ref,
    number,
    text,
)
from exporter.gateway.jsontext import Json, parse
from exporter.gateway.listing import listing, read_each
from exporter.gateway.paging import PageFacts
from exporter.gateway.readings import KeyRef, Rejected, RollupReading, UsageBucket, UsageRow

HOUR: Final = 3600
_DAY_BUCKET: Final = "a bucket of a day, where hours were asked for"


class LogAnswer(msgspec.Struct, frozen=True):
    """One page of the log, unfiltered."""

    rows: tuple[UsageRow, ...]
    rejected: tuple[Rejected, ...]
    facts: PageFacts


class DayBucketsError(BadResponseError):
    """A rollup by days: the gateway ignored `group_by`, or was not asked for hours."""


def read_usage(body: bytes, own: KeyRef, credits_per_usd: int) -> LogAnswer | RollupReading:
    """A page of the log, or the whole rollup. Rows that name no key belong to `own`.

    Two buckets of one hour, model and key are two keys whose masked forms collide: both are
    handed on and both count. Raises BadResponseError, and DayBucketsError if all buckets are days.
    """
    answer = parse(body)
    if isinstance(answer, dict) and isinstance(entries := answer.get("buckets"), list):
        buckets, bad = read_each(entries, lambda entry: _bucket(entry, own), "bucket")
        if bad and not buckets and all(entry.reason == _DAY_BUCKET for entry in bad):
            raise DayBucketsError(
                "the gateway ignored group_by=hour and answered in days, which cannot be counted "
                "exactly: set usage.mode to log, or have the gateway fixed"
            )
        return RollupReading(buckets, bad)
    page = listing(answer)
    if page is None:
        raise BadResponseError(
            'the answer holds neither "buckets" nor a list of rows ("items", "data", "rows" '
            'or "usage"): is base_url the gateway\'s?'
        )
    rows, bad = read_each(page.rows, lambda row: _row(row, own, credits_per_usd), "request_id")
    ids = [row.request_id for row in rows] + [entry.row_id for entry in bad]
    times = [row.created_at for row in rows]
    return LogAnswer(rows, bad, PageFacts(ids, times, page.total, page.size, page.cursor))


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
        0 if prompt is None else _whole("prompt_tokens", prompt),
        0 if completion is None else _whole("completion_tokens", completion),
    )


def _bucket(row: dict[str, Json], own: KeyRef) -> UsageBucket:
    """One hour of one model and key (contract §3b)."""
    begin = row.get("bucket")
    if isinstance(begin, str) and is_day(begin):
        raise ValueError(_DAY_BUCKET)
    hour = instant(begin)
    if hour is None or hour % HOUR:
        raise ValueError("bucket is not the beginning of an hour")
    cost = charge(row.get("total_usd"))
    if cost is None:
        raise ValueError("total_usd is missing, negative or absurd")
    return UsageBucket(
        int(hour),
        text(row.get("model")) or UNKNOWN_MODEL,
        key_ref(row.get("api_key"), own),
        cost,
        _whole("input_tokens", row.get("input_tokens")),
        _whole("output_tokens", row.get("output_tokens")),
        _whole("call_count", row.get("call_count")),
    )


def _whole(name: str, value: Json) -> int:
    found = count(value)
    if found is None:
        raise ValueError(f"{name} is missing or not a whole number")
    return found

"""`/me/usage` in either shape (contract §3), decoded fast where it is as documented.

msgspec reads a whole page at once into the structs below, about three times as fast as
`json.loads`. If anything on the page is not exactly as documented, the page is read again, row
by row and leniently, by `log` and `rollup`.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

from exporter.errors import BadResponseError
from exporter.gateway.envelope import END_OF_TIME
from exporter.gateway.fields import (
    MAX_COUNT,
    MAX_TEXT,
    UNKNOWN_MODEL,
    charge,
    credits_to_nanos,
    key_ref,
)
from exporter.gateway.jsontext import parse
from exporter.gateway.listing import cursor_text, listing
from exporter.gateway.log import read_rows
from exporter.gateway.paging import PageFacts
from exporter.gateway.readings import (
    KeyRef,
    Rejected,
    RollupReading,
    UsageBucket,
    UsageRow,
)
from exporter.gateway.rollup import hour_of, read_buckets

_Id = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)] | int
_Name = Annotated[str, Meta(max_length=MAX_TEXT)] | None
_Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]


class _Key(msgspec.Struct, frozen=True, gc=False):
    id: _Id | None = None
    name: _Name = None
    masked: _Name = None


class _Row(msgspec.Struct, gc=False):
    request_id: _Id
    created_at: datetime
    credits: int | Decimal
    model: _Name = None
    api_key: _Key | _Id | None = None
    prompt_tokens: _Count = 0
    completion_tokens: _Count = 0


class _Bucket(msgspec.Struct, gc=False):
    bucket: str
    total_usd: Decimal
    input_tokens: _Count
    output_tokens: _Count
    call_count: _Count
    model: _Name = None
    api_key: _Key | _Id | None = None


class _Answer(msgspec.Struct):
    buckets: list[_Bucket] | None = None
    items: list[_Row] | None = None
    data: list[_Row] | None = None
    rows: list[_Row] | None = None
    usage: list[_Row] | None = None
    total: int | None = None
    page_size: int | None = None
    next_cursor: str | int | None = None


_DECODER = msgspec.json.Decoder(_Answer)


class LogAnswer(msgspec.Struct, frozen=True):
    """One page of the log, unfiltered."""

    rows: tuple[UsageRow, ...]
    rejected: tuple[Rejected, ...]
    facts: PageFacts


class UsageDecoder:
    """Reads usage answers of one account. Rows without a key belong to `own`."""

    def __init__(self, credits_per_usd: int) -> None:
        self._credits_per_usd = credits_per_usd

    def read(self, body: bytes, own: KeyRef) -> LogAnswer | RollupReading:
        """A page of the log, or the whole rollup. Raises BadResponseError."""
        with suppress(msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError):
            return self._documented(_DECODER.decode(body), own)
        return self._lenient(body, own)

    def _documented(self, answer: _Answer, own: KeyRef) -> LogAnswer | RollupReading:
        """Raises ValueError where something is not as documented after all."""
        keys = _Keys(own)
        if answer.buckets is not None:
            return RollupReading(tuple(_buckets(answer.buckets, keys)), ())
        for rows in (answer.items, answer.data, answer.rows, answer.usage):
            if rows is not None:
                return self._page(answer, self._rows(rows, keys))
        raise ValueError("no list")

    def _rows(self, rows: list[_Row], keys: _Keys) -> tuple[UsageRow, ...]:
        per_usd = self._credits_per_usd
        return tuple(
            [
                UsageRow(
                    row.request_id if type(row.request_id) is str else str(row.request_id),
                    _unix(row.created_at),
                    row.model or UNKNOWN_MODEL,
                    keys[row.api_key],
                    credits_to_nanos(row.credits, per_usd),
                    row.prompt_tokens,
                    row.completion_tokens,
                )
                for row in rows
            ]
        )

    def _page(self, answer: _Answer, rows: tuple[UsageRow, ...]) -> LogAnswer:
        size = answer.page_size
        return LogAnswer(
            rows,
            (),
            _facts(
                rows,
                (),
                answer.total,
                size if size and size > 0 else None,
                cursor_text(answer.next_cursor),
            ),
        )

    def _lenient(self, body: bytes, own: KeyRef) -> LogAnswer | RollupReading:
        answer = parse(body)
        if isinstance(answer, dict) and isinstance(buckets := answer.get("buckets"), list):
            return read_buckets(buckets, own)
        page = listing(answer)
        if page is None:
            raise BadResponseError(
                'the answer holds neither "buckets" nor a list of rows ("items", "data", "rows" '
                'or "usage"): is base_url the gateway\'s?'
            )
        rows, bad = read_rows(page.rows, own, self._credits_per_usd)
        facts = _facts(rows, bad, page.total, page.size, page.cursor)
        return LogAnswer(rows, bad, facts)


class _Keys(dict["_Key | str | int | None", KeyRef]):
    """Each key of a page once, so that its rows share it."""

    def __init__(self, own: KeyRef) -> None:
        super().__init__()
        self._own = own

    def __missing__(self, given: _Key | str | int | None) -> KeyRef:
        value = msgspec.to_builtins(given)
        ref = self[given] = key_ref(value, self._own)
        return ref


def _unix(at: datetime) -> float:
    """Unix seconds; UTC where no offset is given. Raises ValueError for absurd years."""
    seconds = (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
    if 0 < seconds < END_OF_TIME:
        return seconds
    raise ValueError("absurd time")


def _buckets(rows: list[_Bucket], keys: _Keys) -> list[UsageBucket]:
    hours: dict[str, int] = {}
    found: list[UsageBucket] = []
    for row in rows:
        hour = hours.get(row.bucket)
        if hour is None:
            hour = hours[row.bucket] = hour_of(row.bucket)
        cost = charge(row.total_usd)
        if cost is None:
            raise ValueError("negative or absurd cost")
        found.append(
            UsageBucket(
                hour,
                row.model or UNKNOWN_MODEL,
                keys[row.api_key],
                cost,
                row.input_tokens,
                row.output_tokens,
                row.call_count,
            )
        )
    return found


def _facts(
    rows: tuple[UsageRow, ...],
    bad: tuple[Rejected, ...],
    total: int | None,
    size: int | None,
    cursor: str | None,
) -> PageFacts:
    ids = [row.request_id for row in rows] + [entry.row_id for entry in bad]
    return PageFacts(ids, [row.created_at for row in rows], total, size, cursor)

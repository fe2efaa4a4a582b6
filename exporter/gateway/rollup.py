"""Usage buckets, one per hour, model and key (contract §3b).

Two buckets of one hour, model and key are two keys whose masked forms collide: both are handed on
and both count.
"""

from __future__ import annotations

from exporter.errors import BadResponseError
from exporter.gateway.fields import (
    UNKNOWN_MODEL,
    charge,
    count,
    instant,
    is_day,
    key_ref,
    text,
)
from exporter.gateway.jsontext import Json
from exporter.gateway.listing import rejected
from exporter.gateway.readings import KeyRef, Rejected, RollupReading, UsageBucket

HOUR = 3600
_DAY_BUCKET = "a bucket of a day, where hours were asked for"


class DayBucketsError(BadResponseError):
    """A rollup by days: the gateway ignored `group_by`, or was not asked for hours."""


def read_buckets(rows: list[Json], own: KeyRef) -> RollupReading:
    """The buckets that can be read, and those that cannot. Buckets without a key are `own`'s.

    Raises DayBucketsError if all are days: the gateway did not understand `group_by`.
    """
    good: list[UsageBucket] = []
    bad: list[Rejected] = []
    for place, row in enumerate(rows):
        try:
            good.append(_bucket(row, own))
        except ValueError as error:
            bad.append(rejected(row, place, "bucket", error))
    if bad and all(entry.reason == _DAY_BUCKET for entry in bad) and not good:
        raise DayBucketsError(
            "the gateway ignored group_by=hour and answered in days, which cannot be counted "
            "exactly: set usage.mode to log, or have the gateway fixed"
        )
    return RollupReading(tuple(good), tuple(bad))


def hour_of(value: Json) -> int:
    """The Unix second at which an hour bucket begins. Raises ValueError."""
    if isinstance(value, str) and is_day(value):
        raise ValueError(_DAY_BUCKET)
    at = instant(value)
    if at is None or at % HOUR:
        raise ValueError("bucket is not the beginning of an hour")
    return int(at)


def _bucket(row: Json, own: KeyRef) -> UsageBucket:
    if not isinstance(row, dict):
        raise ValueError("the bucket is not an object")
    cost = charge(row.get("total_usd"))
    if cost is None:
        raise ValueError("total_usd is missing, negative or absurd")
    return UsageBucket(
        hour=hour_of(row.get("bucket")),
        model=text(row.get("model")) or UNKNOWN_MODEL,
        key=key_ref(row.get("api_key"), own),
        cost=cost,
        input_tokens=_count(row, "input_tokens"),
        output_tokens=_count(row, "output_tokens"),
        calls=_count(row, "call_count"),
    )


def _count(row: dict[str, Json], name: str) -> int:
    value = count(row.get(name))
    if value is None:
        raise ValueError(f"{name} is missing or not a whole number")
    return value

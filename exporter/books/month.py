"""A month of an account as the gateway tells it: usage by day, and wallet movements."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime

import msgspec

from exporter.errors import IncompleteError, ResponseTooLargeError
from exporter.gateway.client import GatewayClient
from exporter.gateway.readings import RollupReading, Transaction, UsageRow

DAY = 86_400
_HOUR = 3600
_MINUTE = 60


class Month(msgspec.Struct, frozen=True):
    """A calendar month, UTC: `begin` ≤ time < `end` (Unix s)."""

    name: str
    begin: int
    end: int

    @classmethod
    def read(cls, text: str) -> Month:
        """Of `2026-11`. Raises ValueError."""
        year, dash, month = text.partition("-")
        if not (dash and len(year) == 4 and len(month) == 2 and (year + month).isdecimal()):
            raise ValueError(f"{text!r} is no month: write it as 2026-11")
        first = datetime(int(year), int(month), 1, tzinfo=UTC)
        after = datetime(first.year + first.month // 12, first.month % 12 + 1, 1, tzinfo=UTC)
        return cls(text, int(first.timestamp()), int(after.timestamp()))


class UsageOfMonth:
    """What usage cost, in spans of `width` seconds; in nano-USD, by the first second of each.

    `counted_from`: rows before it are in `costs` too, and not in `since_start`.
    """

    def __init__(self, counted_from: float) -> None:
        self.counted_from = counted_from
        self.costs: defaultdict[int, int] = defaultdict(int)
        self.since_start: defaultdict[int, int] = defaultdict(int)
        self.width = float(_MINUTE)
        self.is_log = True
        self.rejected = 0

    def add_rows(self, rows: dict[str, UsageRow]) -> None:
        for row in rows.values():
            self.costs[int(row.created_at // _MINUTE * _MINUTE)] += row.cost
            if row.created_at >= self.counted_from:
                self.since_start[int(row.created_at // DAY * DAY)] += row.cost

    def add_rollup(self, reading: RollupReading, since: float, until: float) -> None:
        self.is_log = False
        self.width = max(self.width, float(DAY if reading.days else _HOUR))
        for bucket in reading.buckets:
            if since <= bucket.hour < until:
                self.costs[bucket.hour] += bucket.cost
                if bucket.hour >= self.counted_from:
                    self.since_start[bucket.hour // DAY * DAY] += bucket.cost

    def of_day(self, day: int) -> int:
        return sum(cost for begin, cost in self.costs.items() if day <= begin < day + DAY)


async def read_usage_of(
    client: GatewayClient, since: float, until: float, counted_from: float
) -> UsageOfMonth:
    """Day by day, and in smaller slices where a day is too much. Raises GatewayError."""
    usage = UsageOfMonth(counted_from)
    begin = since
    while begin < until:
        end = min(begin + DAY, until)
        await _read_slice(client, begin, end, usage)
        begin = end
    return usage


async def _read_slice(
    client: GatewayClient, since: float, until: float, usage: UsageOfMonth
) -> None:
    """Nothing of a slice is added before all of it was read."""
    length = until - since
    try:
        await _add_slice(client, since, until, usage, in_parts=False)
    except (IncompleteError, ResponseTooLargeError):
        if length <= _HOUR:
            await _add_slice(client, since, until, usage, in_parts=True)
            return
        middle = since + max(_HOUR, length // (2 * _HOUR) * _HOUR)
        await _read_slice(client, since, middle, usage)
        await _read_slice(client, middle, until, usage)


async def _add_slice(
    client: GatewayClient, since: float, until: float, usage: UsageOfMonth, *, in_parts: bool
) -> None:
    rows: dict[str, UsageRow] = {}
    readings: list[RollupReading] = []
    rejected = 0
    async for page in client.usage(since, until, in_parts):
        rejected += len(page.rejected)
        if isinstance(page, RollupReading):
            readings.append(page)
        else:
            rows |= {row.request_id: row for row in page.rows if since <= row.created_at < until}
    usage.rejected += rejected
    usage.add_rows(rows)
    for reading in readings:
        usage.add_rollup(reading, since, until)


async def movements_of(
    client: GatewayClient, since: float, until: float
) -> tuple[list[Transaction], int]:
    """Movements with `since` ≤ time < `until`, newest first, each once.

    Also how many rows could not be read. Raises GatewayError.
    """
    found: dict[str, Transaction] = {}
    rejected = 0
    async for page in client.transactions(since, until):
        rejected += len(page.rejected)
        for item in page.items:
            if since <= item.created_at < until:
                found[item.id] = item
    newest_first = sorted(found.values(), key=lambda item: -item.created_at)
    return newest_first, rejected

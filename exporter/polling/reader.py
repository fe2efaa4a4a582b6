"""Reading one slice of usage or transactions from the gateway into the ledger.

Rows are committed in batches as they come, so that memory stays flat; the cursor moves with the
last batch of a slice.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Protocol

import msgspec

from exporter.clock import InterruptibleClock
from exporter.errors import BadRequestError, BadResponseError
from exporter.gateway.client import GatewayClient
from exporter.gateway.paging import PAGE_SIZE
from exporter.gateway.readings import (
    Endpoint,
    Rejected,
    RollupReading,
    Transaction,
    UsageRow,
)
from exporter.ledger.cursor import Slice, hour_of
from exporter.ledger.ledger import Ledger, Stream
from exporter.ledger.usage import Counted
from exporter.ledger.worker import Worker
from exporter.live import LiveAccount, RowOutcome
from exporter.polling.rejections import Rejections

BATCH = 2000
"""Rows that are held and committed together, at the most."""

HELD = 50_000
"""Rows that all accounts together may hold, when all of them catch up at once."""

LOOK_BACK = 90 * 86_400.0
"""How far back, in seconds, kinds of movements are looked for that were not seen since."""

logger = logging.getLogger(__name__)


class Read(msgspec.Struct, frozen=True):
    """What reading a slice gave: rows or buckets seen, and how many of them counted anew."""

    rows: int = 0
    counted: int = 0


class Reader(Protocol):
    """Reads slices of one stream of one account."""

    stream: Stream

    async def read(self, span: Slice, now: float) -> Read:
        """Read a slice and commit it. Raises GatewayError, StateError."""
        ...


class Books(msgspec.Struct, frozen=True):
    """Where what is read is written down, in batches of so many rows."""

    ledger: Ledger
    worker: Worker
    clock: InterruptibleClock
    batch: int = BATCH


def batch_of(accounts: int) -> int:
    """How many rows each of so many accounts commits together: one page where they are many."""
    return max(PAGE_SIZE, min(BATCH, HELD // accounts))


class _Tally:
    """Adds up what the batches of one slice gave."""

    def __init__(self) -> None:
        self.rows = self.counted = 0
        self.newest: float | None = None

    def add(self, rows: int, result: Counted) -> None:
        self.rows += rows
        self.counted += result.counted
        known = [newest for newest in (self.newest, result.newest) if newest is not None]
        self.newest = max(known, default=None)

    def read(self) -> Read:
        return Read(self.rows, self.counted)


class UsageReader:
    """`/me/usage`, in whichever shape the gateway answers."""

    stream: Stream = "usage"

    def __init__(self, live: LiveAccount, client: GatewayClient, books: Books) -> None:
        self._live = live
        self._client = client
        self._books = books
        self._rejections = Rejections(live, Endpoint.USAGE, books.clock)
        self._nothing = False

    async def read(self, span: Slice, now: float) -> Read:
        """Read a slice of usage; a rollup is asked again if the slice cuts an hour in two."""
        rows: list[UsageRow] = []
        tally = _Tally()
        async for page in self._client.usage(span.since, span.until):
            self._live.rows[RowOutcome.REJECTED] += self._rejections.note(page.rejected)
            if isinstance(page, RollupReading):
                if span.since != hour_of(span.since):
                    aligned = msgspec.structs.replace(span, since=float(hour_of(span.since)))
                    return await self.read(aligned, now)
                return await self._rollup(page, span, now)
            rows.extend(page.rows)
            if len(rows) >= self._books.batch or page.last:
                result = await self._log(rows, span if page.last else None, tally.newest, now)
                tally.add(len(rows), result)
                rows = []
        return tally.read()

    async def _log(
        self, rows: list[UsageRow], done: Slice | None, newest: float | None, now: float
    ) -> Counted:
        ledger = self._books.ledger
        result = await self._books.worker.do(
            ledger.commit_log, self._live.name, rows, done, newest, now
        )
        return self._noted(result)

    async def _rollup(self, reading: RollupReading, span: Slice, now: float) -> Read:
        # A gateway that has lost its rollup for a moment says the same as one where all was taken
        # back: that nothing is left of a range is believed when it is said again.
        nothing = not reading.buckets
        whole = not nothing or self._nothing
        self._nothing = nothing
        ledger = self._books.ledger
        result = await self._books.worker.do(
            ledger.commit_rollup, self._live.name, reading, span, now, whole
        )
        return Read(len(reading.buckets), self._noted(result).counted)

    def _noted(self, result: Counted) -> Counted:
        self._live.rows[RowOutcome.COUNTED] += result.counted
        self._live.rows[RowOutcome.DUPLICATE] += result.duplicate
        self._live.rows[RowOutcome.REJECTED] += self._rejections.note(_absurd(result))
        return result


class TransactionsReader:
    """`/me/billing/transactions`."""

    stream: Stream = "transactions"

    def __init__(self, live: LiveAccount, client: GatewayClient, books: Books) -> None:
        self._live = live
        self._client = client
        self._books = books
        self._rejections = Rejections(live, Endpoint.TRANSACTIONS, books.clock)
        self._looked_back = False

    async def read(self, span: Slice, now: float) -> Read:
        """Read a slice of wallet movements."""
        if not self._looked_back:
            await self._look_back(span.since, now)
        items: list[Transaction] = []
        tally = _Tally()
        async for page in self._client.transactions(span.since, span.until):
            self._rejections.note(page.rejected)
            items.extend(page.items)
            if len(items) >= self._books.batch or page.last:
                done = span if page.last else None
                tally.add(len(items), await self._commit(items, done, tally.newest, now))
                items = []
        return tally.read()

    async def _look_back(self, until: float, now: float) -> None:
        """Learn once when the kinds of movements were last seen before counting began.

        Worth one page. A gateway that cannot say it is asked for what is new all the same.
        """
        try:
            async for page in self._client.transactions(until - LOOK_BACK, until):
                await self._commit(list(page.items), None, None, now)
                break
        except (BadRequestError, BadResponseError) as error:
            logger.debug("Account %s: no look back: %s", self._live.name, error)
        self._looked_back = True

    async def _commit(
        self, items: list[Transaction], done: Slice | None, newest: float | None, now: float
    ) -> Counted:
        ledger = self._books.ledger
        result = await self._books.worker.do(
            ledger.commit_transactions, self._live.name, items, done, newest, now
        )
        self._rejections.note(_absurd(result))
        return result


def _absurd(result: Counted) -> Iterator[Rejected]:
    """What the ledger refused of rows that could be read."""
    reason = "its total would be more than any account can hold"
    return (Rejected(row_id, reason) for row_id in result.refused)

"""Reading one slice of usage or transactions from the gateway into the ledger.

Rows are committed in batches as they come, so that memory stays flat; the cursor moves with the
last batch of a slice.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterable
from typing import Protocol

import msgspec

from exporter.board import AccountBoard, RowOutcome
from exporter.gateway.client import GatewayClient
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

BATCH = 2000
"""Rows that are held and committed together."""

_LOOK_BACK = 90 * 86_400.0
_REMEMBERED = 1000
_LOGGED_AT_ONCE = 5

logger = logging.getLogger(__name__)


class Read(msgspec.Struct, frozen=True):
    """What reading a slice gave: rows or buckets seen, and how many of them counted anew."""

    rows: int
    counted: int


class Reader(Protocol):
    """Reads slices of one stream of one account."""

    stream: Stream

    async def read(self, span: Slice, now: float) -> Read:
        """Read a slice and commit it. Raises GatewayError, StateError."""
        ...


class Rejections:
    """Rows that could not be understood: each is logged and counted once, however often it comes."""

    def __init__(self, account: str, endpoint: Endpoint) -> None:
        self._account = account
        self._endpoint = endpoint
        self._known: OrderedDict[str, None] = OrderedDict()

    def note(self, rejected: Iterable[Rejected]) -> int:
        """Log those that are new; returns how many."""
        fresh = [row for row in rejected if row.row_id not in self._known]
        for row in fresh:
            self._known[row.row_id] = None
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        for row in fresh[:_LOGGED_AT_ONCE]:
            logger.warning(
                "account %s: %s row %s is not counted: %s",
                self._account,
                self._endpoint,
                row.row_id,
                row.reason,
            )
        if len(fresh) > _LOGGED_AT_ONCE:
            logger.warning(
                "account %s: %d more %s rows are not counted, for such reasons",
                self._account,
                len(fresh) - _LOGGED_AT_ONCE,
                self._endpoint,
            )
        return len(fresh)


class UsageReader:
    """`/me/usage`, in whichever shape the gateway answers."""

    stream: Stream = "usage"

    def __init__(
        self, board: AccountBoard, client: GatewayClient, ledger: Ledger, worker: Worker
    ) -> None:
        self._board = board
        self._client = client
        self._ledger = ledger
        self._worker = worker
        self._rejections = Rejections(board.name, Endpoint.USAGE)

    async def read(self, span: Slice, now: float) -> Read:
        """Read a slice of usage; a rollup is asked again if the slice cuts an hour in two."""
        rows: list[UsageRow] = []
        seen = counted = 0
        newest: float | None = None
        async for page in self._client.usage(span.since, span.until):
            self._board.rows[RowOutcome.REJECTED] += self._rejections.note(page.rejected)
            if isinstance(page, RollupReading):
                if span.since != hour_of(span.since):
                    aligned = msgspec.structs.replace(span, since=float(hour_of(span.since)))
                    return await self.read(aligned, now)
                return await self._rollup(page, span, now)
            rows.extend(page.rows)
            if len(rows) < BATCH and not page.last:
                continue
            result = await self._worker.do(
                self._ledger.commit_log,
                self._board.name,
                rows,
                span if page.last else None,
                newest,
                now,
            )
            self._note(result)
            newest = max((n for n in (newest, result.newest) if n is not None), default=None)
            seen += len(rows)
            counted += result.counted
            rows = []
        return Read(seen, counted)

    async def _rollup(self, reading: RollupReading, span: Slice, now: float) -> Read:
        result = await self._worker.do(
            self._ledger.commit_rollup, self._board.name, reading, span, now
        )
        self._note(result)
        return Read(len(reading.buckets), result.counted)

    def _note(self, result: Counted) -> None:
        self._board.rows[RowOutcome.COUNTED] += result.counted
        self._board.rows[RowOutcome.DUPLICATE] += result.duplicate


class TransactionsReader:
    """`/me/billing/transactions`."""

    stream: Stream = "transactions"

    def __init__(
        self, board: AccountBoard, client: GatewayClient, ledger: Ledger, worker: Worker
    ) -> None:
        self._board = board
        self._client = client
        self._ledger = ledger
        self._worker = worker
        self._rejections = Rejections(board.name, Endpoint.TRANSACTIONS)
        self._looked_back = False

    async def read(self, span: Slice, now: float) -> Read:
        """Read a slice of wallet movements."""
        if not self._looked_back:
            await self._look_back(span.since, now)
        items: list[Transaction] = []
        seen = counted = 0
        newest: float | None = None
        async for page in self._client.transactions(span.since, span.until):
            self._rejections.note(page.rejected)
            items.extend(page.items)
            if len(items) < BATCH and not page.last:
                continue
            result = await self._commit(items, span if page.last else None, newest, now)
            newest = max((n for n in (newest, result.newest) if n is not None), default=None)
            seen += len(items)
            counted += result.counted
            items = []
        return Read(seen, counted)

    async def _look_back(self, until: float, now: float) -> None:
        """Learn once when the kinds of movements were last seen before counting began."""
        async for page in self._client.transactions(until - _LOOK_BACK, until):
            await self._commit(page.items, None, None, now)
            break
        self._looked_back = True

    async def _commit(
        self, items: list[Transaction] | tuple[Transaction, ...], done: Slice | None,
        newest: float | None, now: float,
    ) -> Counted:
        return await self._worker.do(
            self._ledger.commit_transactions, self._board.name, items, done, newest, now
        )


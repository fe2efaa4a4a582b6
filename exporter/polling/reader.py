"""Reading one slice of usage or transactions from the gateway into the ledger.

Rows are committed in batches as they come, so that memory stays flat; the cursor moves with the
last batch of a slice.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import msgspec

from exporter.errors import BadRequestError, BadResponseError
from exporter.gateway.client import GatewayClient
from exporter.gateway.paging import PAGE_SIZE
from exporter.gateway.readings import Endpoint, Rejected, RollupReading, Transaction, UsageRow
from exporter.ledger.cursor import Slice, hour_of
from exporter.ledger.ledger import Ledger, RowKind
from exporter.ledger.usage import Counted
from exporter.live import LiveAccount, RowOutcome
from exporter.threads import Worker
from exporter.throttle import Crowd, Throttle

BATCH = 2000
"""Rows that are held and committed together, at the most."""

HELD = 50_000
"""Rows that all accounts together may hold, when all of them catch up at once."""

LOOK_BACK = 90 * 86_400.0
"""How far back, in seconds, kinds of movements are looked for that were not seen since."""

BAD_ROWS = 10
"""Bad rows of one endpoint that are warned of in ten minutes; the others are for debugging."""

logger = logging.getLogger(__name__)


def batch_of(accounts: int) -> int:
    """How many rows each of so many accounts commits together: one page where they are many."""
    return max(PAGE_SIZE, min(BATCH, HELD // accounts))


class SliceResult(msgspec.Struct, frozen=True):
    """What reading a slice gave: rows or buckets seen, and how many of them counted anew."""

    rows: int = 0
    counted: int = 0


class DoubtedError(Exception):
    """What was read looks like a mistake of the gateway: the next poll reads it again."""


@dataclass(eq=False)
class SliceReader(ABC):
    """Reads slices of one kind of rows of one account. Commits `batch` rows together."""

    kind: ClassVar[RowKind]
    endpoint: ClassVar[Endpoint]

    account: LiveAccount
    _client: GatewayClient
    ledger: Ledger
    worker: Worker
    _throttle: Throttle
    _batch: int

    @abstractmethod
    async def read(self, span: Slice, now: float) -> SliceResult:
        """Read a slice and commit it. Raises GatewayError, StateError."""

    def _reject(self, rejected: Iterable[Rejected]) -> int:
        """Log the bad rows that did not come before. Returns how many they are."""
        where = (self.account.name, self.endpoint)
        further = "Account %s: %s: further rows are not counted either; log.level debug names them"
        crowd = Crowd(("bad rows", *where), BAD_ROWS, further, where)
        fresh = self.account.newly_rejected(self.endpoint, rejected)
        for row in fresh:
            self._throttle.one_of(
                crowd, "Account %s: %s: %s is not counted: %s", *where, row.row_id, row.reason
            )
        return len(fresh)

    def _reject_refused(self, result: Counted) -> int:
        """Log what the ledger refused of rows that could be read."""
        reason = "its total would be more than any account can hold"
        return self._reject(Rejected(row_id, reason) for row_id in result.refused)


class UsageReader(SliceReader):
    """`/me/usage`, in whichever shape the gateway answers."""

    kind = "usage"
    endpoint = Endpoint.USAGE

    async def read(self, span: Slice, now: float) -> SliceResult:
        """Read a slice of usage; a rollup is asked again if the slice cuts an hour in two."""
        rows: list[UsageRow] = []
        seen = counted = 0
        newest: float | None = None
        async for page in self._client.usage(span.since, span.until):
            self.account.rows[RowOutcome.REJECTED] += self._reject(page.rejected)
            if isinstance(page, RollupReading):
                if span.since != hour_of(span.since):
                    aligned = msgspec.structs.replace(span, since=float(hour_of(span.since)))
                    return await self.read(aligned, now)
                return await self._commit_rollup(page, span, now)
            rows.extend(page.rows)
            if len(rows) >= self._batch or page.last:
                done = span if page.last else None
                result = await self.worker.do(
                    self.ledger.commit_log, self.account.name, rows, done, newest, now
                )
                self._note(result)
                newest = result.newest
                seen += len(rows)
                counted += result.counted
                rows = []
        return SliceResult(seen, counted)

    async def _commit_rollup(self, reading: RollupReading, span: Slice, now: float) -> SliceResult:
        result = await self.worker.do(
            self.ledger.commit_rollup, self.account.name, reading, span, now
        )
        self._note(result)
        return SliceResult(len(reading.buckets), result.counted)

    def _note(self, result: Counted) -> None:
        """Show what became of the rows. Raises DoubtedError."""
        doubt = ("doubt", self.account.name)
        if result.doubted is not None:
            self._throttle.say(
                doubt,
                "Account %s: usage grew by %.2f USD at once, far out of proportion; it is counted "
                "if the next poll says so too",
                self.account.name,
                result.doubted / 1e9,
            )
            raise DoubtedError
        if result.unknown:
            logger.warning(
                "Account %s: usage: %.2f USD of the hour in which counting began are not counted: "
                "the rollup does not tell whether they came before it",
                self.account.name,
                result.unknown / 1e9,
            )
        rows = self.account.rows
        rows[RowOutcome.COUNTED] += result.counted
        rows[RowOutcome.DUPLICATE] += result.duplicate
        rows[RowOutcome.REJECTED] += self._reject_refused(result)


class TransactionsReader(SliceReader):
    """`/me/billing/transactions`."""

    kind = "transactions"
    endpoint = Endpoint.TRANSACTIONS
    _looked_back = False

    async def read(self, span: Slice, now: float) -> SliceResult:
        """Read a slice of wallet movements."""
        if not self._looked_back:
            await self._look_back(span.since, now)
        items: list[Transaction] = []
        seen = counted = 0
        newest: float | None = None
        async for page in self._client.transactions(span.since, span.until):
            self._reject(page.rejected)
            items.extend(page.items)
            if len(items) >= self._batch or page.last:
                result = await self._commit(items, span if page.last else None, newest, now)
                newest = result.newest
                seen += len(items)
                counted += result.counted
                items = []
        return SliceResult(seen, counted)

    async def _look_back(self, until: float, now: float) -> None:
        """Learn once when the kinds of movements were last seen before counting began.

        Worth one page. A gateway that cannot say it is asked for what is new all the same.
        """
        try:
            async for page in self._client.transactions(until - LOOK_BACK, until):
                await self._commit(list(page.items), None, None, now)
                break
        except (BadRequestError, BadResponseError) as error:
            logger.debug("Account %s: no look back: %s", self.account.name, error)
        self._looked_back = True

    async def _commit(
        self, items: list[Transaction], done: Slice | None, newest: float | None, now: float
    ) -> Counted:
        result = await self.worker.do(
            self.ledger.commit_transactions, self.account.name, items, done, newest, now
        )
        self._reject_refused(result)
        return result

"""Reading one slice of usage or transactions from the gateway into the ledger.

Rows are committed in batches as they come, so that memory stays flat; the cursor moves with the
last batch of a slice.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec

from exporter.errors import (
    BadRequestError,
    IncompleteError,
)
from exporter.gateway.client import GatewayClient
from exporter.gateway.gateway_clock import GatewayClock
from exporter.gateway.paging import PAGE_SIZE
from exporter.gateway.readings import (
    Endpoint,
    LogPage,
    Rejected,
    RollupReading,
    TransactionsPage,
)
from exporter.ledger.accounts import RowKind
from exporter.ledger.cursor import HOUR, Slice
from exporter.ledger.ledger import Ledger
from exporter.ledger.usage import Counted
from exporter.live import LiveAccount
from exporter.threads import Worker
from exporter.throttle import Crowd, Throttle

BATCH = 2000
"""Rows that are held and committed together, at the most."""

HELD = 50_000
"""Rows that all accounts together may hold, when all of them catch up at once."""

BAD_ROWS = 10
"""Bad rows of one endpoint that are warned of in ten minutes; the others are for debugging."""

_Page = LogPage | RollupReading | TransactionsPage
_Batch = RollupReading | tuple[list[Any], bool]

logger = logging.getLogger(__name__)


def batch_of(accounts: int) -> int:
    """How many rows each of so many accounts commits together: one page where they are many."""
    return max(PAGE_SIZE, min(BATCH, HELD // accounts))


class SliceResult(msgspec.Struct, frozen=True):
    """What reading a slice gave: rows or buckets seen, and how many of them counted anew."""

    rows: int = 0
    counted: int = 0


class Moment(msgspec.Struct, frozen=True):
    """When a reading began (Unix s): `now` by the gateway's clock, `host` by ours."""

    now: float
    host: float


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
    poll: int = field(default=0, init=False)
    """The number of the poll of which all is that is read now."""

    @property
    def clock(self) -> GatewayClock:
        return self._client.gateway_clock

    def moment(self) -> Moment:
        now = self.clock.now()
        return Moment(now, self.clock.host_time(now))

    @abstractmethod
    async def read(self, span: Slice, at: Moment, in_parts: bool = False) -> SliceResult:
        """Read a slice and commit it; `in_parts` where it is too much for one answer.

        Raises GatewayError, StateError. What came before an IncompleteError is committed.
        """

    async def _batched(
        self, pages: AsyncIterator[_Page], in_parts: bool = False
    ) -> AsyncIterator[_Batch]:
        """Rows in batches, and whether one is the last of its slice; a rollup as it comes.

        Small ones where the rows come in small parts, which take long. What came before an answer
        that is incomplete comes too.
        """
        size = min(self._batch, PAGE_SIZE) if in_parts else self._batch
        rows: list[Any] = []
        try:
            async for page in pages:
                if isinstance(page, RollupReading):
                    yield page
                    continue
                self._told(page.rejected)
                rows.extend(page.rows if isinstance(page, LogPage) else page.items)
                if len(rows) >= size or page.last:
                    yield rows, page.last
                    rows = []
        except IncompleteError:
            if rows:
                yield rows, False
            raise

    @abstractmethod
    def _pages(self, since: float, until: float, in_parts: bool = False) -> AsyncIterator[_Page]:
        """What the gateway answers."""

    def _told(self, rejected: Iterable[Rejected]) -> None:
        self._reject(rejected)

    async def ask(self) -> None:
        """Ask for anything, so that the gateway's clock is known. Raises GatewayError."""
        now = self.clock.now()
        with suppress(BadRequestError):
            async for _ in self._pages(now - HOUR, now):
                break

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

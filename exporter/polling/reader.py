"""Reading one slice of usage or transactions from the gateway into the ledger.

Rows are committed in batches as they come, so that memory stays flat; the cursor moves with the
last batch of a slice.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, TypeVar

import msgspec

from exporter.errors import (
    BadRequestError,
    GatewayError,
    IncompleteError,
)
from exporter.gateway.client import GatewayClient
from exporter.gateway.gateway_clock import GatewayClock
from exporter.gateway.paging import PAGE_SIZE
from exporter.gateway.readings import (
    Endpoint,
    KeyRef,
    LogPage,
    Rejected,
    RollupReading,
    TransactionsPage,
    UsageBucket,
    UsageRow,
)
from exporter.ledger.accounts import RowKind
from exporter.ledger.cursor import DAY, HOUR, Slice, aligned
from exporter.ledger.doubt import DoubtedError
from exporter.ledger.ledger import Ledger
from exporter.ledger.usage import Counted
from exporter.live import LiveAccount
from exporter.status import RowOutcome
from exporter.threads import Worker
from exporter.throttle import Crowd, Throttle

BATCH = 2000
"""Rows that are held and committed together, at the most."""

HELD = 50_000
"""Rows that all accounts together may hold, when all of them catch up at once."""

BAD_ROWS = 10
"""Bad rows of one endpoint that are warned of in ten minutes; the others are for debugging."""

NameKeys = Callable[[Iterable[KeyRef]], Awaitable[Mapping[KeyRef, KeyRef]]]
"""Gives of some keys those that the list of keys names, with what it says of each."""

_Keyed = TypeVar("_Keyed", UsageRow, UsageBucket)
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


class UsageReader(SliceReader):
    """`/me/usage`, in whichever shape the gateway answers."""

    kind = "usage"
    endpoint = Endpoint.USAGE

    name_keys: NameKeys | None = None

    async def read(self, span: Slice, at: Moment, in_parts: bool = False) -> SliceResult:
        """Read a slice of usage; a rollup is asked again if the slice cuts an hour or day."""
        seen = counted = 0
        newest: float | None = None
        async for part in self._batched(self._pages(span.since, span.until, in_parts), in_parts):
            if isinstance(part, RollupReading):
                since = aligned(span.since, DAY if part.days else HOUR)
                if span.since != since:
                    whole = msgspec.structs.replace(span, since=since)
                    return await self.read(whole, at, in_parts)
                self._told(part.rejected)
                if not part.days:
                    counted += await self._read_beside(span, at)
                buckets = tuple(await self._named(part.buckets))
                rollup = msgspec.structs.replace(part, buckets=buckets)
                commit = partial(self.ledger.commit_rollup, self.account.name, rollup, span)
                seen += len(part.buckets)
            else:
                rows, last = await self._named(part[0]), part[1]
                done = span if last else None
                commit = partial(self.ledger.commit_log, self.account.name, rows, done)
                seen += len(rows)
            result = await self.worker.do(commit, newest, at.now, at.host)
            self._note(result)
            newest = result.newest
            counted += result.counted
        return SliceResult(seen, counted)

    async def _read_beside(self, span: Slice, at: Moment) -> int:
        """Count the hour in which counting began by the log, where one stands beside the rollup.

        Returns how many rows counted. Where there is no log, the rollup is taken as it is.
        """
        name = self.account.name
        hour = await self.worker.do(self.ledger.unknown_hour, name, span, at.now)
        counted = 0
        if hour is None:
            return counted
        try:
            async for part in self._batched(self._client.log_beside(*hour)):
                assert not isinstance(part, RollupReading)
                rows = await self._named(part[0])
                commit = partial(self.ledger.commit_log, name, rows, None)
                result = await self.worker.do(commit, None, at.now, at.host)
                self._note(result)
                counted += result.counted
        except GatewayError as error:
            logger.debug("Account %s: no log beside the rollup: %s", name, error)
        return counted

    async def _named(self, rows: Sequence[_Keyed]) -> Sequence[_Keyed]:
        """The rows; those whose key has no name with the one that the list of keys has."""
        if self.name_keys is None or all(row.key.name is not None for row in rows):
            return rows
        named = await self.name_keys({row.key for row in rows})
        return [
            msgspec.structs.replace(row, key=named[row.key]) if row.key in named else row
            for row in rows
        ]

    def _pages(
        self, since: float, until: float, in_parts: bool = False
    ) -> AsyncIterator[LogPage | RollupReading]:
        return self._client.usage(since, until, in_parts)

    def _told(self, rejected: Iterable[Rejected]) -> None:
        self.account.rows[RowOutcome.REJECTED] += self._reject(rejected)

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
            raise DoubtedError(result.doubted)
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

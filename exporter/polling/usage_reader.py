"""Reading one slice of usage, in whichever shape and unit the gateway answers."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import msgspec

from exporter.errors import (
    GatewayError,
)
from exporter.gateway.readings import (
    Endpoint,
    KeyRef,
    LogPage,
    Rejected,
    RollupReading,
    UsageBucket,
    UsageRow,
)
from exporter.gateway.usage_answer import priced
from exporter.ledger.cursor import DAY, HOUR, Slice, aligned
from exporter.ledger.doubt import DoubtedError
from exporter.ledger.usage import Counted
from exporter.polling.reader import Moment, SliceReader, SliceResult
from exporter.polling.unit_watch import UnitWatch
from exporter.status import RowOutcome

NameKeys = Callable[[Iterable[KeyRef]], Awaitable[Mapping[KeyRef, KeyRef]]]
"""Gives of some keys those that the list of keys names, with what it says of each."""

_Keyed = TypeVar("_Keyed", UsageRow, UsageBucket)

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class UsageReader(SliceReader):
    """`/me/usage`, in whichever shape the gateway answers."""

    kind = "usage"
    endpoint = Endpoint.USAGE

    name_keys: NameKeys | None = None

    def __post_init__(self) -> None:
        self._unit = UnitWatch(
            self.account.name, self._client, self.ledger, self.worker, self._throttle
        )

    async def read(self, span: Slice, at: Moment, in_parts: bool = False) -> SliceResult:
        """Read a slice of usage; a rollup is asked again if the slice cuts an hour or day.

        Raises UnitUnknownError where its rows wait.
        """
        seen, counted, newest = 0, 0, None
        witnesses, waits = await self._unit.begin(), False
        async for part in self._batched(self._pages(span.since, span.until, in_parts), in_parts):
            if isinstance(part, RollupReading):
                since = aligned(span.since, DAY if part.days else HOUR)
                if span.since != since:
                    whole = msgspec.structs.replace(span, since=since)
                    return await self.read(whole, at, in_parts)
                self._told(part.rejected)
                if not part.days:
                    counted += await self._read_beside(span, at, part)
                rollup = await self._with_names(part)
                commit = partial(self.ledger.commit_rollup, self.account.name, rollup, span)
                seen += len(part.buckets)
            else:
                rows, last = part
                if waits or any(row.credits is not None for row in rows):
                    witnesses = await self._unit.add(witnesses, rows)
                    unit = None if waits else await self._unit.judge(witnesses)
                    waits = unit is None
                    if unit is None:
                        continue
                    rows = self._priced(rows, unit)
                rows = await self._named(rows)
                done = span if last else None
                commit = partial(self.ledger.commit_log, self.account.name, rows, done)
                seen += len(rows)
            result = await self.worker.do(commit, newest, at.now, at.host)
            self._note(result)
            newest = result.newest
            counted += result.counted
        if waits:
            await self._unit.end(witnesses, span, self.poll)
            return await self.read(span, at, in_parts)
        return SliceResult(seen, counted)

    async def _read_beside(self, span: Slice, at: Moment, rollup: RollupReading) -> int:
        """Count the hour in which counting began by the log, where one stands beside the rollup.

        Returns how many rows counted. Where there is no log, or none in which it can be told what
        rows cost, the rollup is taken as it is.
        """
        name = self.account.name
        hour = await self.worker.do(self.ledger.unknown_hour, name, span, at.now)
        counted = 0
        if hour is None:
            return counted
        try:
            async for part in self._batched(self._client.log_beside(*hour)):
                assert not isinstance(part, RollupReading)
                rows, _ = part
                if any(row.credits is not None for row in rows):
                    unit = await self._unit.told_by(rollup.buckets, rows)
                    if unit is None:
                        break
                    rows = self._priced(rows, unit)
                rows = await self._named(rows)
                commit = partial(self.ledger.commit_log, name, rows, None)
                result = await self.worker.do(commit, None, at.now, at.host)
                self._note(result)
                counted += result.counted
        except GatewayError as error:
            logger.debug("Account %s: no log beside the rollup: %s", name, error)
        return counted

    def _priced(self, rows: Iterable[UsageRow], unit: int) -> list[UsageRow]:
        """The rows with what they cost, where so many credits make one USD."""
        good, absurd = priced(rows, unit)
        self._told(absurd)
        return good

    async def _with_names(self, rollup: RollupReading) -> RollupReading:
        buckets = tuple(await self._named(rollup.buckets))
        return msgspec.structs.replace(rollup, buckets=buckets)

    async def _named(self, rows: Sequence[_Keyed]) -> list[_Keyed]:
        """The rows; those whose key has no name with the one that the list of keys has."""
        if self.name_keys is None or all(row.key.name is not None for row in rows):
            return list(rows)
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

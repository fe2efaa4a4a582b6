"""Reads a list to its end, page by page, and tells where rows are missing from it."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final, Generic

import msgspec

from exporter.errors import IncompleteError, RefusedParameterError
from exporter.gateway.gateway_clock import GatewayClock
from exporter.gateway.listing import ListAnswer, Row
from exporter.gateway.paging import Distinct, PageFacts, Pager
from exporter.gateway.readings import AHEAD, Rejected
from exporter.gateway.recognized import FirstPage, first_page

_QUARTER: Final = 900.0
"""The smallest difference between two time zones, in seconds."""

_SHORTEST: Final = 0.01
"""Seconds below which a range is not divided any more."""

_FEW_PARTS: Final = 16
"""Where rows need many more parts, their range is divided so first: some of it may be empty."""

_FRUITLESS: Final = 3


class ListQuery(msgspec.Struct, frozen=True):
    """How a list is asked for: its parameters for a range, and the page size in them, if any.

    `days`: the range is asked for in whole days, so that other rows of those days come too.
    """

    params: Callable[[float, float], dict[str, str]]
    size: int | None
    days: bool = False


class ListPage(msgspec.Struct, Generic[Row], frozen=True):
    """Rows of the list and what could not be read of it; `last` ends the range."""

    rows: tuple[Row, ...]
    rejected: tuple[Rejected, ...]
    last: bool


class ListReader(Generic[Row]):
    """Reads one list of a gateway, and learns how that gateway pages."""

    def __init__(
        self,
        ask: Callable[[Mapping[str, str]], Awaitable[ListAnswer[Row]]],
        clock: GatewayClock,
    ) -> None:
        self._ask: Callable[[Mapping[str, str]], Awaitable[ListAnswer[Row]]] = ask
        self._clock = clock
        self._heeds_range: bool | None = None
        self._total_is_of_range: bool | None = None
        self._first_number: int | None = None
        self.first_page: FirstPage | None = None
        """Of the newest reading that had rows."""

    async def read(
        self,
        since: float,
        until: float,
        query: ListQuery,
        answer: ListAnswer[Row] | None = None,
    ) -> AsyncIterator[ListPage[Row]]:
        """The rows with `since` ≤ time < `until` (Unix s); `answer` is the first page, if known.

        A gateway that ignores the range gives others too. If it says that there are more than
        it gave, they end in an IncompleteError. Raises GatewayError.
        """
        async for page in self._read(since, until, query, answer, Distinct()):
            yield page

    async def read_in_parts(
        self, since: float, until: float, query: ListQuery
    ) -> AsyncIterator[ListPage[Row]]:
        """The same rows, in ranges that fit one page each: then their order does not matter.

        Rows of one instant are read until all of them have come.
        """
        ranges = [(since, until)]
        while ranges:
            begin, end = ranges.pop()
            answer = await self._ask(query.params(begin, end))
            total, count = answer.facts.total or 0, answer.facts.count
            if count < total and end - begin > _SHORTEST and count and not query.days:
                parts = math.ceil(1.5 * total / count)
                parts = parts if parts <= 2 * _FEW_PARTS else _FEW_PARTS
                edges: list[float] = [begin + (end - begin) * part / parts for part in range(parts)]
                ranges += pairwise([*edges, end])
                continue
            async for page in self._read_again(begin, end, query, answer):
                yield msgspec.structs.replace(page, last=False)
        yield ListPage((), (), last=True)

    async def _read_again(
        self, since: float, until: float, query: ListQuery, answer: ListAnswer[Row] | None
    ) -> AsyncIterator[ListPage[Row]]:
        """Rows that come in another order in each answer: sooner or later all of them come."""
        ids = Distinct()
        fruitless, missing = 0, math.inf
        while True:
            try:
                async for page in self._read(since, until, query, answer, ids):
                    yield page
                return
            except IncompleteError as error:
                fruitless = 0 if error.missing < missing else fruitless + 1
                if fruitless >= _FRUITLESS:
                    raise
                answer, missing = None, error.missing

    async def _read(
        self,
        since: float,
        until: float,
        query: ListQuery,
        answer: ListAnswer[Row] | None,
        ids: Distinct,
    ) -> AsyncIterator[ListPage[Row]]:
        """One reading; `ids` are those that came, in earlier ones too."""
        params = query.params(since, until)
        pager = self._pager(since, query)
        if answer is None:
            answer = await self._ask(params)
        first, missing = answer.facts, 0
        self._note(first, query.size)
        step: dict[str, str] | None = {}
        while step is not None:
            ids.add(answer.facts.ids)
            step = pager.after(answer.facts)
            early = since - _QUARTER
            if self._heeds_range is None and min(answer.facts.times, default=since) < early:
                await self._learn(query.params(since - 1, since), first)
            rows, strange = self._placed(answer.rows, early if self._heeds_range else 0.0)
            if step is None:
                missing = (pager.said or 0) - ids.count()
                if missing > 0 and self._total_is_of_range is None:
                    await self._learn(query.params(since - 1, since), first)
                missing = max(0, missing) if self._total_is_of_range else 0
            last = step is None and not missing
            rejected = answer.rejected + strange
            yield ListPage((), (), last) if pager.repeated else ListPage(rows, rejected, last)
            if step is not None:
                answer = await self._ask(params | step)
        self._first_number = pager.first
        if missing:
            raise IncompleteError(
                f"of {pager.said} rows that the gateway says there are, {missing} did not come; "
                "they are asked for again",
                missing=missing,
            )

    def _note(self, first: PageFacts, asked: int | None) -> None:
        if first.count or self.first_page is None:
            self.first_page = first_page(first, asked)

    def _pager(self, since: float, query: ListQuery) -> Pager:
        if query.days:  # a range of whole days tells nothing of the part that is wanted
            self._heeds_range = self._total_is_of_range = False
        return Pager(since, query.size, self._total_is_of_range, self._first_number)

    async def _learn(self, before: Mapping[str, str], first: PageFacts) -> None:
        """Learn whether rows and totals are of the asked range, by the second before this one.

        Costs one question, and only of a gateway of which it matters.
        """
        with suppress(RefusedParameterError):
            other = (await self._ask(before)).facts
            self._heeds_range = set(other.ids).isdisjoint(first.ids)
            if other.total is not None and first.total is not None:
                self._total_is_of_range = self._heeds_range and other.total < first.total

    def _placed(
        self, rows: tuple[Row, ...], earliest: float
    ) -> tuple[tuple[Row, ...], tuple[Rejected, ...]]:
        """The rows whose times can be true, and the others: a time without its zone is shifted."""
        now = self._clock.now()
        good: list[Row] = []
        strange: list[Rejected] = []
        for row in rows:
            at = row.created_at
            if earliest <= at <= now + AHEAD:
                good.append(row)
                continue
            seen = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            why = "in the future" if at > now else "before the range that was asked for"
            strange.append(
                Rejected(row.ident, f"its created_at, {seen}, is {why}; is its time zone missing?")
            )
        return tuple(good), tuple(strange)

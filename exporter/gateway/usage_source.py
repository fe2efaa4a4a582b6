"""`/me/usage` as this gateway has it: in which dialect it is asked, in which shape it answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec

from exporter.config.types import Usage, UsageMode
from exporter.errors import (
    BadResponseError,
    IncompleteError,
    RefusedParameterError,
    ResponseTooLargeError,
)
from exporter.gateway.attempts import Requester
from exporter.gateway.dialects import DIALECTS, Dialect, with_sizes
from exporter.gateway.gateway_clock import GatewayClock
from exporter.gateway.list_reader import ListQuery, ListReader
from exporter.gateway.listing import ListAnswer
from exporter.gateway.paging import PAGE_SIZE, PageFacts, Pager
from exporter.gateway.readings import (
    AHEAD,
    KeyRef,
    LogPage,
    Rejected,
    RollupReading,
    UsageBucket,
    UsageRow,
    UsageShape,
)
from exporter.gateway.recognized import UsageForm
from exporter.gateway.rollup_answer import DAY, HOUR, RollupAnswer, sums_of
from exporter.gateway.usage_answer import UsageAnswer, read_model_sums, read_usage

USAGE_PATH: Final = "/api/v1/me/usage"
LOG_PATH: Final = "/api/v1/usage"

MOST_BUCKETS: Final = 50_000
"""Buckets that are held at once: about as many as the largest answer has."""


class UsageSource:
    """Asks for usage, and learns how the gateway understands the question."""

    def __init__(
        self,
        requester: Requester,
        clock: GatewayClock,
        usage: Usage,
        own_key: Callable[[], str | None],
    ) -> None:
        """`own_key` gives the masked form of the account's key, to which nameless rows belong."""
        self._requester = requester
        self._clock = clock
        self._mode = usage.mode
        self._credits_per_usd = usage.credits_per_usd
        self._own_key = own_key
        self._dialect: Dialect | None = None
        self._tried_larger_pages = False
        self._days: bool | None = None
        self.form: UsageForm | None = None
        """As the newest answer showed it."""
        self._log = ListReader(self._ask_log, clock)

    async def read(
        self, since: float, until: float, in_parts: bool = False
    ) -> AsyncIterator[LogPage | RollupReading]:
        """Usage of a range, as `GatewayClient.usage` gives it."""
        known = self._dialect
        if in_parts and known is not None and known.group_by:
            async for part in self._parts(since, until):
                yield part
            return
        if in_parts and known is not None:
            query_of = ListQuery(known.params, known.size)
            async for page in self._log.read_in_parts(since, until, query_of):
                yield LogPage(page.rows, page.rejected, page.last)
            return
        dialect, answer = await self._first_answer(since, until)
        if isinstance(answer, RollupAnswer):
            query = dialect.params(since, until)
            whole = await self._whole(query, since, answer)
            self.form = self._rollup_form(whole)
            if whole.is_cut:
                raise IncompleteError(
                    "the buckets of the answer add up to less than its totals: it was cut",
                    missing=whole.totals.calls - sums_of(whole.buckets).calls,
                )
            yield await self._reading(whole, since, until)
            return
        query_of = ListQuery(dialect.params, dialect.size)
        async for page in self._log.read(since, until, query_of, answer):
            self.form = self._log_form()
            yield LogPage(page.rows, page.rejected, page.last)

    def _log_form(self) -> UsageForm:
        by = "usage.credits_per_usd"
        page = self._log.first_page
        return UsageForm(USAGE_PATH, UsageShape.LOG, self._credits_per_usd, by, page)

    def _rollup_form(self, whole: RollupAnswer) -> UsageForm:
        shape = UsageShape.DAYS if whole.days or self._days else UsageShape.ROLLUP
        tells = any(whole.totals) and not whole.rejected
        complete = not whole.is_cut if tells else None
        return UsageForm(USAGE_PATH, shape, buckets=len(whole.buckets), whole=complete)

    async def read_log_beside(self, since: float, until: float) -> AsyncIterator[LogPage]:
        """Rows of the log that some gateways have beside a rollup. Raises GatewayError."""
        reader = ListReader(self._ask_beside, self._clock)
        for dialect in DIALECTS[UsageMode.LOG]:
            with suppress(RefusedParameterError):
                answer = await self._ask_beside(dialect.params(since, until))
                query_of = ListQuery(dialect.params, dialect.size)
                async for page in reader.read(since, until, query_of, answer):
                    yield LogPage(page.rows, page.rejected, page.last)
                return

    async def _ask_beside(self, params: Mapping[str, str]) -> ListAnswer[UsageRow]:
        answer = await self._requester.ask(LOG_PATH, params, self._reads())
        if isinstance(answer, RollupAnswer):
            raise BadResponseError("there is no log beside the rollup")
        return answer

    def _reads(self, model: str | None = None) -> Callable[[bytes], UsageAnswer]:
        own = KeyRef(masked=self._own_key())
        return partial(read_usage, own=own, credits_per_usd=self._credits_per_usd, model=model)

    async def _first_answer(self, since: float, until: float) -> tuple[Dialect, UsageAnswer]:
        """The first page, and the dialect that got it: the one that worked, or the first to work.

        A log is asked for as a log, with a page size, and larger pages are tried once.
        """
        candidates = list(DIALECTS[self._mode])
        if self._dialect is not None:
            candidates = [self._dialect, *(d for d in candidates if d != self._dialect)]
        found: tuple[Dialect, UsageAnswer] | None = None
        refusal: RefusedParameterError | None = None
        for dialect in candidates:
            try:
                answer = await self._ask(dialect.params(since, until))
            except RefusedParameterError as error:
                refusal = error
                continue
            by_hours = self._dialect is not None and self._dialect.group_by
            if by_hours and isinstance(answer, RollupAnswer) and not dialect.group_by:
                continue  # what was refused is the range: days are no answer to that
            found = dialect, answer
            if dialect.group_by == isinstance(answer, RollupAnswer):
                break
        if found is None:
            assert refusal is not None
            raise refusal
        if found[0] != self._dialect:
            self._dialect, self._tried_larger_pages = found[0], False
        return await self._with_larger_pages(*found, since, until)

    async def _with_larger_pages(
        self, dialect: Dialect, answer: UsageAnswer, since: float, until: float
    ) -> tuple[Dialect, UsageAnswer]:
        """The same, where each page is small and more follow, in larger pages if possible."""
        facts = answer.facts
        size = facts.size or facts.count
        more = facts.more or facts.cursor or facts.count < (facts.total or 0)
        full = more or (facts.count == facts.size and not isinstance(answer, RollupAnswer))
        if self._tried_larger_pages or not full or not 0 < size < (dialect.size or PAGE_SIZE):
            return dialect, answer
        self._tried_larger_pages = True
        for larger in with_sizes(dialect):
            with suppress(RefusedParameterError):
                fuller = await self._ask(larger.params(since, until))
                if type(fuller) is type(answer) and fuller.facts.count > facts.count:
                    self._dialect = larger
                    return larger, fuller
        return dialect, answer

    async def _ask(self, params: Mapping[str, str], model: str | None = None) -> UsageAnswer:
        answer = await self._requester.ask(USAGE_PATH, params, self._reads(model))
        if self._mode is UsageMode.LOG and isinstance(answer, RollupAnswer):
            raise _other_shape("log", "rollup")
        if self._mode is UsageMode.ROLLUP and not isinstance(answer, RollupAnswer):
            raise _other_shape("rollup", "log")
        return answer

    async def _ask_log(self, params: Mapping[str, str]) -> ListAnswer[UsageRow]:
        answer = await self._ask(params)
        if isinstance(answer, RollupAnswer):
            raise _changed("log", "rollup")
        return answer

    async def _ask_rollup(
        self, params: Mapping[str, str], model: str | None = None
    ) -> RollupAnswer:
        answer = await self._ask(params, model)
        if not isinstance(answer, RollupAnswer):
            raise _changed("rollup", "log")
        return answer

    async def _whole(
        self,
        params: Mapping[str, str],
        since: float,
        answer: RollupAnswer,
        model: str | None = None,
    ) -> RollupAnswer:
        """All pages of a rollup put together; a bucket that comes again counts as it came last."""
        if not answer.is_paged:
            return answer
        pager = Pager(since, None)
        pages: dict[str, list[UsageBucket]] = {}
        rejected: list[Rejected] = []
        decimals = 0
        page = answer
        while True:
            came: dict[str, list[UsageBucket]] = {}
            for id_, bucket in zip(page.facts.ids, page.buckets, strict=False):
                came.setdefault(id_, []).append(bucket)
            pages |= came
            rejected += page.rejected
            decimals = max(decimals, page.decimals)
            step = pager.after(page.facts)
            if step is None:
                break
            if len(pages) > MOST_BUCKETS:
                raise ResponseTooLargeError("the rollup has too many buckets at once")
            page = await self._ask_rollup({**params, **step}, model)
        buckets = tuple(bucket for here in pages.values() for bucket in here)
        facts = PageFacts([], [])
        return RollupAnswer(buckets, tuple(rejected), facts, answer.totals, answer.days, decimals)

    async def _parts(self, since: float, until: float) -> AsyncIterator[RollupReading]:
        """The rollup model by model, where all of it is too much for one answer."""
        params = Dialect(group_by=True).params(since, until)
        models = await self._requester.ask(
            USAGE_PATH, params | {"group_by": "model"}, read_model_sums
        )
        is_cut = models.is_cut
        for model, (sums, room) in models.by_model.items():
            query = params | {"group_by": "hour,api_key", "model": model}
            answer = await self._ask_rollup(query, model)
            whole = await self._whole(query, since, answer, model)
            short = whole.is_cut or sums_of(whole.buckets).lack(sums, room + whole.room)
            is_cut = is_cut or (short and not whole.rejected)
            covered = frozenset() if short or whole.rejected else frozenset({model})
            reading = await self._reading(whole, since, until)
            yield msgspec.structs.replace(reading, models=covered, last=False)
        if is_cut:
            raise IncompleteError(
                "the rollup of an hour adds up to less than its totals, model by model too"
            )
        yield RollupReading((), (), frozenset(), days=bool(self._days))

    async def _reading(self, whole: RollupAnswer, since: float, until: float) -> RollupReading:
        latest = self._clock.now() + AHEAD
        good = tuple(bucket for bucket in whole.buckets if bucket.hour <= latest)
        strange = tuple(
            Rejected(f"the bucket {bucket.hour} of {bucket.model}", "it begins in the future")
            for bucket in whole.buckets
            if bucket.hour > latest
        )
        days = whole.days or await self._by_days(good, until)
        return RollupReading(good, whole.rejected + strange, days=days)

    async def _by_days(self, buckets: tuple[UsageBucket, ...], until: float) -> bool:
        """Whether buckets that all begin at midnight are of days.

        Then the newest of them comes too where its first hour is not asked for.
        """
        if any(bucket.hour % DAY for bucket in buckets):
            self._days = False
        elif buckets and self._days is None:
            midnight = max(bucket.hour for bucket in buckets)
            if midnight + HOUR < until:
                params = Dialect(group_by=True).params(midnight + HOUR, until)
                answer = await self._ask_rollup(params)
                self._days = any(bucket.hour == midnight for bucket in answer.buckets)
        return bool(self._days)


def _changed(before: str, after: str) -> BadResponseError:
    return BadResponseError(
        f"the gateway changed from the {before} to the {after} between two pages; "
        "the next poll follows it"
    )


def _other_shape(mode: str, shape: str) -> BadResponseError:
    return BadResponseError(
        f"the gateway answered with the {shape}, but usage.mode is {mode}: "
        f"set usage.mode to {shape} or auto"
    )

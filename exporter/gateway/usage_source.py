"""Usage as this gateway has it: where and how it is asked for, in which shape it answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec

from exporter.config.types import Usage, UsageMode
from exporter.errors import (
    BadResponseError,
    GatewayError,
    IncompleteError,
    NotFoundError,
    RefusedParameterError,
    ResponseTooLargeError,
    UnknownAnswerError,
)
from exporter.gateway.attempts import Requester
from exporter.gateway.gateway_clock import GatewayClock
from exporter.gateway.list_reader import ListQuery, ListReader
from exporter.gateway.listing import ListAnswer
from exporter.gateway.paging import PageFacts, Pager
from exporter.gateway.questions import ADDRESSES, Question, questions
from exporter.gateway.readings import (
    AHEAD,
    LogPage,
    Rejected,
    RollupReading,
    UsageBucket,
    UsageRow,
    UsageShape,
)
from exporter.gateway.recognized import UsageForm
from exporter.gateway.request_lookup import find_request
from exporter.gateway.rollup_answer import DAY, HOUR, RollupAnswer, sums_of
from exporter.gateway.usage_answer import read_model_sums
from exporter.gateway.usage_asker import OtherShapeError, UsageAsker

MOST_BUCKETS: Final = 50_000
"""Buckets that are held at once: about as many as the largest answer has."""


class UsageSource:
    """Reads usage of ranges, in whichever shape the gateway answers."""

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
        self._asker = UsageAsker(requester, usage, own_key)
        self._days: bool | None = None
        self.form: UsageForm | None = None
        """As the newest answer showed it."""
        self._log = ListReader(self._ask_log, clock)

    def know_credits(self, per_usd: int | None) -> None:
        """See `GatewayClient.know_credits`."""
        self._asker.credits_per_usd = per_usd

    async def read(
        self, since: float, until: float, in_parts: bool = False
    ) -> AsyncIterator[LogPage | RollupReading]:
        """Usage of a range, as `GatewayClient.usage` gives it."""
        known = self._asker.question
        if in_parts and known is not None and known.group_by:
            async for part in self._parts(since, until):
                yield part
            return
        if in_parts and known is not None:
            query_of = ListQuery(known.params, known.size, known.dates)
            async for page in self._log.read_in_parts(since, until, query_of):
                yield LogPage(page.rows, page.rejected, page.last)
            return
        question, answer = await self._asker.first_answer(since, until)
        if isinstance(answer, RollupAnswer):
            query = question.params(since, until)
            whole = await self._whole(query, since, answer)
            self.form = _form(question, whole, bool(self._days))
            if whole.is_cut:
                raise IncompleteError(
                    "the buckets of the answer add up to less than its totals: it was cut",
                    missing=whole.totals.calls - sums_of(whole.buckets).calls,
                )
            yield await self._reading(whole, since, until)
            return
        query_of = ListQuery(question.params, question.size, question.dates)
        async for page in self._log.read(since, until, query_of, answer):
            self.form = UsageForm(question.path, UsageShape.LOG, self._log.first_page)
            yield LogPage(page.rows, page.rejected, page.last)

    async def find(self, request_id: str) -> UsageRow | None:
        """One request, as `GatewayClient.request` gives it."""
        return await find_request(self._requester, self._asker.reads(), request_id)

    async def read_log_beside(self, since: float, until: float) -> AsyncIterator[LogPage]:
        """Rows of the log that some gateways have beside a rollup. Raises GatewayError."""
        for path in (one for one in ADDRESSES if one != self._asker.path):
            ask = partial(self._ask_beside, path)
            reader = ListReader(ask, self._clock)
            for question in questions(UsageMode.LOG, path):
                try:
                    answer = await ask(question.params(since, until))
                except RefusedParameterError:
                    continue
                except (NotFoundError, UnknownAnswerError, OtherShapeError):
                    break
                query_of = ListQuery(question.params, question.size, question.dates)
                async for page in reader.read(since, until, query_of, answer):
                    yield LogPage(page.rows, page.rejected, page.last)
                return

    async def read_rollup_beside(self, since: float, until: float) -> tuple[UsageBucket, ...]:
        """Buckets of hours that some gateways have beside a log; none where it has no rollup."""
        for path in ADDRESSES:
            params = questions(UsageMode.ROLLUP, path)[0].params(since, until)
            with suppress(GatewayError):
                answer = await self._requester.ask(path, params, self._asker.reads())
                if isinstance(answer, RollupAnswer) and not answer.days:
                    return answer.buckets
        return ()

    async def _ask_beside(self, path: str, params: Mapping[str, str]) -> ListAnswer[UsageRow]:
        answer = await self._requester.ask(path, params, self._asker.reads())
        if isinstance(answer, RollupAnswer):
            raise OtherShapeError("there is no log beside the rollup")
        return answer

    async def _ask_log(self, params: Mapping[str, str]) -> ListAnswer[UsageRow]:
        answer = await self._asker.ask(self._asker.path, params)
        if isinstance(answer, RollupAnswer):
            raise _changed("log", "rollup")
        return answer

    async def _ask_rollup(
        self, params: Mapping[str, str], model: str | None = None
    ) -> RollupAnswer:
        answer = await self._asker.ask(self._asker.path, params, model)
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
        params = Question(self._asker.path, group_by=True).params(since, until)
        models = await self._requester.ask(
            self._asker.path, params | {"group_by": "model"}, read_model_sums
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
                params = Question(self._asker.path, group_by=True).params(midnight + HOUR, until)
                answer = await self._ask_rollup(params)
                self._days = any(bucket.hour == midnight for bucket in answer.buckets)
        return bool(self._days)


def _form(question: Question, whole: RollupAnswer, days: bool) -> UsageForm:
    shape = UsageShape.DAYS if days or whole.days else UsageShape.ROLLUP
    tells = any(whole.totals) and not whole.rejected
    complete = not whole.is_cut if tells else None
    return UsageForm(question.path, shape, buckets=len(whole.buckets), whole=complete)


def _changed(before: str, after: str) -> BadResponseError:
    return BadResponseError(
        f"the gateway changed from the {before} to the {after} between two pages; "
        "the next poll follows it"
    )

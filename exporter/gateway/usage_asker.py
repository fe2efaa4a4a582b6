"""Where and how a gateway is asked for usage, and what is learnt of it on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

import msgspec

from exporter.config.types import Usage, UsageMode
from exporter.errors import (
    BadResponseError,
    GatewayError,
    NotFoundError,
    RefusedParameterError,
    UnknownAnswerError,
)
from exporter.gateway.attempts import Requester
from exporter.gateway.paging import PAGE_SIZE, USUAL_SIZES
from exporter.gateway.questions import ADDRESSES, Question, questions, with_sizes
from exporter.gateway.readings import AHEAD, KeyRef
from exporter.gateway.rollup_answer import DAY, RollupAnswer
from exporter.gateway.usage_answer import UsageAnswer, read_usage


class OtherShapeError(BadResponseError):
    """An answer in the shape that is not wanted; another address may have the other one."""


class UsageAsker:
    """Asks for usage, and learns how the gateway understands the question.

    `question` is the one that works, None while it is not known.
    """

    def __init__(
        self, requester: Requester, usage: Usage, own_key: Callable[[], str | None]
    ) -> None:
        """`own_key` gives the masked form of the account's key, to which nameless rows belong."""
        self.question: Question | None = None
        self._requester = requester
        self._mode = usage.mode
        self._credits_per_usd = usage.credits_per_usd
        self._own_key = own_key
        self._tried_larger_pages = False
        self._tried_dates = False

    def reads(self, model: str | None = None) -> Callable[[bytes], UsageAnswer]:
        own = KeyRef(masked=self._own_key())
        return partial(read_usage, own=own, credits_per_usd=self._credits_per_usd, model=model)

    async def first_answer(self, since: float, until: float) -> tuple[Question, UsageAnswer]:
        """The first page, and the question that got it: the one that worked, or the first to work.

        What an account was asked with stays for its life. Where its address is gone, or answers
        something else, that ends this poll, and the next one looks at all addresses anew.
        """
        known = self.question
        if known is not None:
            try:
                return await self._first_at(known.path, since, until)
            except (NotFoundError, UnknownAnswerError, OtherShapeError):
                self.question = None
                raise
        problem: GatewayError | None = None
        for path in ADDRESSES:
            try:
                return await self._first_at(path, since, until)
            except (NotFoundError, UnknownAnswerError, OtherShapeError) as error:
                if problem is None or isinstance(problem, NotFoundError):
                    problem = error
        assert problem is not None
        raise problem

    async def _first_at(
        self, path: str, since: float, until: float
    ) -> tuple[Question, UsageAnswer]:
        """The same at one address.

        A log is asked for as a log, with a page size; larger pages, and whole days where it does
        not heed the range, are tried once.
        """
        candidates = questions(self._mode, path)
        if self.question is not None:
            candidates = [self.question, *(d for d in candidates if d != self.question)]
        found: tuple[Question, UsageAnswer] | None = None
        refusal: RefusedParameterError | None = None
        for question in candidates:
            try:
                answer = await self.ask(path, question.params(since, until))
            except RefusedParameterError as error:
                refusal = error
                continue
            by_hours = self.question is not None and self.question.group_by
            if by_hours and isinstance(answer, RollupAnswer) and not question.group_by:
                continue  # what was refused is the range: days are no answer to that
            found = question, answer
            if question.group_by == isinstance(answer, RollupAnswer):
                break
        if found is None:
            assert refusal is not None
            raise refusal
        if found[0] != self.question:
            self.question, self._tried_larger_pages = found[0], False
        found = await self._by_dates(*found, since, until)
        return await self._with_larger_pages(*found, since, until)

    async def _by_dates(
        self, question: Question, answer: UsageAnswer, since: float, until: float
    ) -> tuple[Question, UsageAnswer]:
        """The same in whole days, where rows are far outside of the range and days are heeded."""
        if isinstance(answer, RollupAnswer) or question.dates or self._tried_dates:
            return question, answer
        if not _strays(answer, since - AHEAD, until + AHEAD):
            return question, answer
        self._tried_dates = True
        dated = msgspec.structs.replace(question, dates=True)
        with suppress(RefusedParameterError):
            other = await self.ask(dated.path, dated.params(since, until))
            heeded = not isinstance(other, RollupAnswer) and not _strays(
                other, since - 2 * DAY, until + 3 * DAY
            )
            if heeded and _within(other, since, until) >= _within(answer, since, until):
                self.question = dated
                return dated, other
        return question, answer

    async def _with_larger_pages(
        self, question: Question, answer: UsageAnswer, since: float, until: float
    ) -> tuple[Question, UsageAnswer]:
        """The same, where each page is small and more follow, in larger pages if possible."""
        facts = answer.facts
        size = facts.size or facts.count
        more = facts.more or facts.cursor or facts.count < (facts.total or 0)
        full = more or (
            facts.count in (facts.size, *USUAL_SIZES) and not isinstance(answer, RollupAnswer)
        )
        if self._tried_larger_pages or not full or not 0 < size < (question.size or PAGE_SIZE):
            return question, answer
        self._tried_larger_pages = bool(more)
        for larger in with_sizes(question):
            with suppress(RefusedParameterError):
                fuller = await self.ask(larger.path, larger.params(since, until))
                if type(fuller) is type(answer) and fuller.facts.count > facts.count:
                    self.question = larger
                    return larger, fuller
        return question, answer

    @property
    def path(self) -> str:
        return ADDRESSES[0] if self.question is None else self.question.path

    async def ask(
        self, path: str, params: Mapping[str, str], model: str | None = None
    ) -> UsageAnswer:
        answer = await self._requester.ask(path, params, self.reads(model))
        if self._mode is UsageMode.LOG and isinstance(answer, RollupAnswer):
            raise _other_shape("log", "rollup")
        if self._mode is UsageMode.ROLLUP and not isinstance(answer, RollupAnswer):
            raise _other_shape("rollup", "log")
        return answer


def _strays(answer: UsageAnswer, earliest: float, latest: float) -> bool:
    return any(not earliest <= at <= latest for at in answer.facts.times)


def _within(answer: UsageAnswer, since: float, until: float) -> int:
    return sum(since <= at < until for at in answer.facts.times)


def _other_shape(mode: str, shape: str) -> OtherShapeError:
    return OtherShapeError(
        f"the gateway answered with the {shape}, but usage.mode is {mode}: "
        f"set usage.mode to {shape} or auto"
    )

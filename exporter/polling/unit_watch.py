"""Rows of the log wait until it is known how many credits make one USD.

While they wait nothing of them is committed and the cursor stays, so that they are read again.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from exporter.gateway.client import GatewayClient
from exporter.gateway.readings import UsageBucket, UsageRow
from exporter.ledger.credit_unit import POLLS, CreditUnit, Why, Witnesses, in_words
from exporter.ledger.cursor import Slice
from exporter.ledger.doubt import ReadAgainError
from exporter.ledger.ledger import Ledger
from exporter.threads import Worker
from exporter.throttle import Throttle

logger = logging.getLogger(__name__)


class UnitUnknownError(ReadAgainError):
    """The rows of a slice wait for the unit of credits: nothing of them was counted."""


@dataclass(eq=False)
class UnitWatch:
    """Learns the unit of one account, and has its client read rows in it."""

    _name: str
    _client: GatewayClient
    _ledger: Ledger
    _worker: Worker
    _throttle: Throttle
    _waited_in: int | None = field(default=None, init=False)
    _told: int | None = field(default=None, init=False)

    async def begin(self) -> Witnesses:
        """A slice is read, in what is known by now. Gives what is known of its rows: nothing."""
        unit: CreditUnit = await self._worker.do(self._ledger.credit_unit, self._name)
        self._client.know_credits(unit.per_usd)
        self._told = unit.per_usd
        self._tell_contradiction(unit)
        return Witnesses()

    async def add(self, witnesses: Witnesses, rows: Iterable[UsageRow]) -> Witnesses:
        """What is known with these rows too, of which some wait."""
        cursor = await self._worker.do(self._ledger.cursor, self._name, "usage")
        # Until all was read once, lifetime spend is known since counting began.
        since = -math.inf if cursor.caught_up else cursor.swept_at
        return witnesses.with_rows(rows, since)

    async def judge(self, witnesses: Witnesses) -> int | None:
        """The unit, if what is known of the rows tells it."""
        return await self._judge(witnesses, waited=False)

    async def end(self, witnesses: Witnesses, span: Slice, poll: int) -> None:
        """The slice was read and its rows wait. Returns if they can be read again at once.

        `poll` is its number: in each, waiting is counted once. Raises UnitUnknownError.
        """
        if await self.judge(witnesses) is not None:
            return
        buckets = await self._client.rollup_beside(span.since, span.until)
        witnesses = witnesses.with_rollup(buckets)
        waited = self._waited_in != poll
        self._waited_in = poll
        if await self._judge(witnesses, waited) is None:
            raise UnitUnknownError

    async def told_by(self, buckets: Iterable[UsageBucket], rows: list[UsageRow]) -> int | None:
        """The unit of rows that stand beside these buckets."""
        witnesses = await self.add(Witnesses().with_rollup(buckets), rows)
        return await self.judge(witnesses)

    async def _judge(self, witnesses: Witnesses, waited: bool) -> int | None:
        unit: CreditUnit = await self._worker.do(
            self._ledger.judge_credits, self._name, witnesses, waited
        )
        self._client.know_credits(unit.per_usd)
        self._tell(unit)
        return unit.per_usd

    def _tell(self, unit: CreditUnit) -> None:
        """Say once that rows wait, and what they waited for."""
        waits = ("unit", self._name)
        if unit.per_usd is None:
            text = (
                "Account %s: rows of usage wait until the gateway's answers tell whether their "
                "credits are micro-USD or USD, at most %d polls"
            )
            self._throttle.once(waits, text, self._name, POLLS, level=logging.INFO)
        elif unit.per_usd != self._told:
            self._told = unit.per_usd
            self._throttle.over(waits, "Account %s: rows of usage wait no more", self._name)
            said = in_words(unit.per_usd)
            if unit.why is not Why.DOCUMENTED:
                logger.info("Account %s: in rows of usage %s: %s", self._name, said, unit.why)
                return
            logger.warning(
                "Account %s: nothing in %d polls told whether the credits of usage rows are "
                "micro-USD or USD. They are counted as documented from now on: %s. If that is "
                "wrong, say 1 in usage.credits_per_usd",
                self._name,
                POLLS,
                said,
            )

    def _tell_contradiction(self, unit: CreditUnit) -> None:
        key = ("unit contradicted", self._name)
        if unit.contradicted is None or unit.per_usd is None:
            self._throttle.over(key, "Account %s: lifetime spend fits usage again", self._name)
            return
        self._throttle.say(
            key,
            "Account %s: usage is counted as if %s (%s), but by the growth of lifetime spend %s. "
            "Nothing is changed by itself: set usage.credits_per_usd to %d if the wallet is right",
            self._name,
            in_words(unit.per_usd),
            unit.why,
            in_words(unit.contradicted),
            unit.contradicted,
        )

"""Reading one slice of wallet movements from the gateway into the ledger."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

from exporter.errors import BadRequestError, BadResponseError
from exporter.gateway.readings import Endpoint, RollupReading, Transaction, TransactionsPage
from exporter.ledger.cursor import HOUR, REACH, Slice
from exporter.ledger.usage import Counted
from exporter.polling.reader import Moment, SliceReader, SliceResult

logger = logging.getLogger(__name__)


class TransactionsReader(SliceReader):
    """`/me/billing/transactions`."""

    kind = "transactions"
    endpoint = Endpoint.TRANSACTIONS
    _looked_back = False

    async def read(self, span: Slice, at: Moment, in_parts: bool = False) -> SliceResult:
        """Read a slice of wallet movements."""
        if not self._looked_back:
            await self._look_back(span.since, at)
        seen = counted = 0
        newest: float | None = None
        async for part in self._batched(self._pages(span.since, span.until)):
            assert not isinstance(part, RollupReading)
            items, last = part
            result = await self._commit(items, span if last else None, newest, at)
            newest = result.newest
            seen += len(items)
            counted += result.counted
        return SliceResult(seen, counted)

    def _pages(
        self, since: float, until: float, in_parts: bool = False
    ) -> AsyncIterator[TransactionsPage]:
        return self._client.transactions(since, until)

    async def _look_back(self, until: float, at: Moment) -> None:
        """Learn once when the kinds of movements were last seen before counting began.

        Movements bear whole seconds: what is there now of the second that has begun came before
        it. Worth one page. A gateway that cannot say it is asked for what is new all the same.
        """
        since = at.now - REACH
        for end in (max(until + 1, since + HOUR), until):  # some refuse what lies ahead
            try:
                async for page in self._client.transactions(since, end):
                    await self._commit(list(page.items), None, None, at)
                    break
                break
            except (BadRequestError, BadResponseError) as error:
                logger.debug("Account %s: no look back: %s", self.account.name, error)
        self._looked_back = True

    async def _commit(
        self, items: list[Transaction], done: Slice | None, newest: float | None, at: Moment
    ) -> Counted:
        result = await self.worker.do(
            self.ledger.commit_transactions,
            self.account.name,
            items,
            done,
            newest,
            at.now,
            at.host,
        )
        self.account.note_failures(items)
        self._reject_refused(result)
        return result

"""When to ask: polls every endpoint of one account, and survives every error of the gateway."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from exporter.board import AccountBoard, Board
from exporter.clock import Clock
from exporter.errors import AuthError, GatewayError, QuotaSpentError, StateError
from exporter.follower import Follower
from exporter.gateway.client import GatewayClient
from exporter.gateway.readings import Endpoint
from exporter.ledger.ledger import Ledger
from exporter.ledger.worker import Worker
from exporter.repeats import Repeats
from exporter.streams import TransactionsReader, UsageReader

JITTER = 0.1
"""Each wait is up to this share longer or shorter, so that many exporters do not ask at once."""

_SLOWLY = 5
_SLOWEST = 300.0

Round = Callable[[], Awaitable[bool]]
"""One poll: returns whether more waits to be read at once; raises GatewayError, StateError."""

PollError = GatewayError | StateError


class AccountPoller:
    """Polls one account. `board` gets what was read and how every poll ended."""

    def __init__(
        self,
        board: Board,
        account: AccountBoard,
        client: GatewayClient,
        ledger: Ledger,
        worker: Worker,
        clock: Clock,
        rng: random.Random,
        repeats: Repeats,
    ) -> None:
        self._board = board
        self._account = account
        self._client = client
        self._ledger = ledger
        self._worker = worker
        self._clock = clock
        self._rng = rng
        self._repeats = repeats
        self._rounds: dict[Endpoint, Round] = {
            endpoint: self._round_of(endpoint) for endpoint in account.endpoints
        }

    async def run(self, delay: float) -> None:
        """Poll for ever, first after `delay` seconds. Ends only by being cancelled."""
        await asyncio.gather(*(self._loop(endpoint, delay) for endpoint in self._rounds))

    async def poll_once(self) -> dict[Endpoint, PollError | None]:
        """Poll every endpoint to its end, in turn; what went wrong with each, None if nothing."""
        errors: dict[Endpoint, PollError | None] = {}
        for endpoint in self._rounds:
            more = True
            while more:
                error, more = await self._poll(endpoint)
                errors[endpoint] = error
        return errors

    async def _loop(self, endpoint: Endpoint, delay: float) -> None:
        status = self._account.endpoints[endpoint]
        while True:
            status.next_poll = self._clock.now() + delay
            await self._clock.sleep(delay)
            error, more = await self._poll(endpoint)
            delay = 0.0 if more else self._wait(status.interval, error)

    def _wait(self, interval: float, error: PollError | None) -> float:
        """Seconds until the next poll. A dead key is asked slowly, so that its repair is noticed."""
        wait = interval
        if isinstance(error, AuthError):
            wait = max(interval, min(interval * _SLOWLY, _SLOWEST))
        wait *= self._rng.uniform(1 - JITTER, 1 + JITTER)
        if isinstance(error, GatewayError) and error.retry_after is not None:
            wait = max(wait, error.retry_after)
        return wait

    async def _poll(self, endpoint: Endpoint) -> tuple[PollError | None, bool]:
        """One round of an endpoint: its error, and whether more waits to be read at once."""
        status = self._account.endpoints[endpoint]
        began = self._clock.monotonic()
        topic = (self._account.name, endpoint)
        try:
            more = await self._rounds[endpoint]()
        except GatewayError as error:
            seconds = self._clock.monotonic() - began
            works = isinstance(error, QuotaSpentError)
            status.failed(self._clock.now(), seconds, error.outcome, str(error), up=works)
            self._repeats.say(
                topic, "Account %s: %s poll failed: %s", self._account.name, endpoint, error
            )
            return error, False
        except StateError as error:
            self._board.state_writable, self._board.state_error = False, str(error)
            self._repeats.say("state", "%s", error, level=logging.ERROR)
            if endpoint is Endpoint.ACCOUNT:  # its gauges need no state
                status.succeeded(self._clock.now(), self._clock.monotonic() - began)
            return error, False
        if not self._board.state_writable:
            self._board.state_writable, self._board.state_error = True, None
            self._repeats.over("state", "The state file can be written again")
        status.succeeded(self._clock.now(), self._clock.monotonic() - began)
        self._repeats.over(topic, "Account %s: %s poll works again", self._account.name, endpoint)
        return None, more

    def _round_of(self, endpoint: Endpoint) -> Round:
        if endpoint is Endpoint.ACCOUNT:
            return self._read_account
        reader_of = UsageReader if endpoint is Endpoint.USAGE else TransactionsReader
        reader = reader_of(self._account, self._client, self._ledger, self._worker)
        interval = self._account.endpoints[endpoint].interval
        return Follower(
            self._account.name, reader, self._ledger, self._worker, self._clock, interval
        ).round

    async def _read_account(self) -> bool:
        reading = await self._client.account()
        # A gauge needs no durability: it is shown even where the commit fails.
        self._account.account = reading
        await self._worker.do(self._ledger.commit_account, self._account.name, reading)
        return False

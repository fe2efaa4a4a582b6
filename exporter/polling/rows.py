"""The rows of one account: its followers, which end together where another wallet begins."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from exporter.gateway.readings import Endpoint
from exporter.ledger.accounts import RowKind
from exporter.ledger.ledger import Ledger
from exporter.live import LiveAccount
from exporter.polling.follower import Follower
from exporter.threads import Worker
from exporter.throttle import Throttle


class Rows:
    """Reads the rows of one account. `make` gives a follower for each endpoint."""

    def __init__(
        self,
        account: LiveAccount,
        ledger: Ledger,
        worker: Worker,
        throttle: Throttle,
        make: Callable[[], Mapping[Endpoint, Follower]],
    ) -> None:
        self._account = account
        self._ledger = ledger
        self._worker = worker
        self._throttle = throttle
        self._make = make
        self._followers = make()
        self._under_way: set[asyncio.Task[bool]] = set()

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        return tuple(self._followers)

    async def round(self, endpoint: Endpoint) -> bool:
        """See `Follower.round`. A round that is given up has more to read at once."""
        reading = asyncio.create_task(self._followers[endpoint].round())
        self._under_way.add(reading)
        reading.add_done_callback(self._under_way.discard)
        try:
            await asyncio.wait({reading})
        except asyncio.CancelledError:
            reading.cancel()
            await asyncio.wait({reading})
            raise
        if reading.cancelled():
            return True
        more = reading.result()
        if endpoint in self._account.held_back:
            await self._release(endpoint)
        return more

    async def ask(self, endpoint: Endpoint) -> None:
        """Learn the gateway's time. Raises GatewayError."""
        await self._followers[endpoint].ask()

    async def stop(self, endpoint: Endpoint) -> None:
        """End what is under way beside the rounds."""
        await self._followers[endpoint].stop()

    async def give_up(self) -> None:
        """End all reading that is under way, and forget how it went: it is of another wallet."""
        reading = set(self._under_way)
        for task in reading:
            task.cancel()
        if reading:
            await asyncio.wait(reading)
        for endpoint in self._followers:
            await self.stop(endpoint)
        self._followers = self._make()

    async def _release(self, endpoint: Endpoint) -> None:
        """Show what was counted once it has caught up with what was shown before this process."""
        kind: RowKind = "usage" if endpoint is Endpoint.USAGE else "transactions"
        cursor = await self._worker.do(self._ledger.cursor, self._account.name, kind)
        if cursor.caught_up and cursor.polled_ns != self._account.held_back[endpoint]:
            del self._account.held_back[endpoint]

    def tell_held_back(self, endpoint: Endpoint) -> None:
        """Say once that the first catch-up is waited for."""
        if endpoint in self._account.held_back:
            self._throttle.once(
                ("held back", endpoint),
                "Account %s and perhaps others: counters of %s are left out of OTLP and /metrics "
                "until it has caught up; they would be too low after an older state file was put "
                "back",
                self._account.name,
                endpoint,
                level=logging.INFO,
            )

"""Reads the account, and sees to it that rows count for the wallet to which they belong.

Rows are asked for with a key only once it is known whose account that is. Where it is another
wallet than before, what is being read of the old one is given up, and a new count begins.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from exporter.clock import InterruptibleClock
from exporter.gateway.client import GatewayClient
from exporter.gateway.readings import AccountReading
from exporter.ledger.ledger import Ledger
from exporter.ledger.owners import Owner, identity_of, owner_of
from exporter.live import Live, LiveAccount, warn_unreadable
from exporter.secrets import Secret
from exporter.threads import Worker
from exporter.throttle import Throttle

FIRST_ANSWER = 1.0
"""Seconds for which rows wait for the account, which tells the gateway's time and whose it is."""

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class WalletWatch:
    """Watches whose wallet one account is. `give_up` ends every reading of rows under way."""

    _live: Live
    _account: LiveAccount
    _client: GatewayClient
    _ledger: Ledger
    _worker: Worker
    _clock: InterruptibleClock
    _throttle: Throttle
    _give_up: Callable[[], Awaitable[None]]

    def __post_init__(self) -> None:
        self._reading = asyncio.Lock()
        self._tried = asyncio.Event()
        self._has_begun = False

    async def read_account(self) -> None:
        """Read the account with the newest key. Raises GatewayError, StateError."""
        async with self._reading:
            try:
                await self._read()
            finally:
                self._tried.set()

    async def ready(self) -> None:
        """Return once rows may be read. Raises GatewayError where it cannot be known whose.

        A key that the state knows is trusted where the account does not answer: its rows must
        not wait for an endpoint that fails.
        """
        key = self._client.key()
        if self._client.accepted_key is None and await self._known(key):
            await self._clock.sleep_unless(self._tried, FIRST_ANSWER)
            if self._client.accepted_key is None:
                self._client.accept(key)
        if self._client.accepted_key == key:
            return
        async with self._reading:
            if self._client.accepted_key != self._client.key():
                await self._read()

    async def begin(self) -> None:
        """Begin to count, of an account that is new: by the time of the gateway's first answer."""
        name = self._account.name
        if not self._has_begun and not await self._worker.do(self._ledger.has_begun, name):
            now = self._client.gateway_clock.now()
            host = self._client.gateway_clock.host_time(now)
            await self._worker.do(self._ledger.begin, name, now, host)
        self._has_begun = True

    async def _known(self, key: Secret) -> bool:
        """Whether the state knows the key, or nothing yet that would speak against it."""
        before = await self._worker.do(self._ledger.owner, self._account.name)
        return Owner(self._client.address, api_key=key.masked()).could_be(before)

    async def _read(self) -> None:
        key = self._client.key()
        reading = await self._client.account(key)
        # A gauge needs no durability: it is shown even where the commit fails.
        self._account.account, self._account.own_key = reading, key.masked()
        name = self._account.name
        warn_unreadable(self._throttle, name, "the account", reading.unreadable)
        owner = owner_of(reading, self._client.address, key.masked())
        before = await self._worker.do(self._ledger.owner, name)
        if owner.other_than(before):
            await self._begin_anew(before, owner, reading)
        self._client.accept(key)
        wallet = identity_of(reading, self._client.address, key)
        if wallet != self._account.wallet:
            self._account.wallet = wallet
            self._tell_shared()
        await self.begin()
        now = self._client.gateway_clock.now()
        left = self._account.organization_left(self._clock.now())
        await self._worker.do(self._ledger.commit_account, name, reading, now, owner, left)

    async def _begin_anew(self, before: Owner, owner: Owner, reading: AccountReading) -> None:
        name = self._account.name
        await self._give_up()
        now, host = self._client.gateway_clock.now(), self._clock.now()
        await self._worker.do(self._ledger.begin_anew, name, owner, now, host)
        self._account.begin_anew()
        self._account.account = reading
        logger.warning(
            "Account %s is another wallet now: %s, before %s. Counting starts anew from now, and "
            "nothing of either counts for the other",
            name,
            owner,
            before,
        )

    def _tell_shared(self) -> None:
        """Say once which accounts are one wallet."""
        for shared in self._live.shared_wallets():
            if self._account.name in shared.names:
                self._throttle.once(
                    ("one wallet", shared.names),
                    "Accounts %s are one wallet: all of it shows under each name, so count one of "
                    "them only"
                    if shared.doubles
                    else "Accounts %s are paid from one wallet, their organization's: what it has "
                    "left shows under each name, so count that once",
                    ", ".join(shared.names),
                )

"""Reads the list of the account's keys, and names by it whatever names its key by an id alone.

The list may be refused or missing: then nothing else changes. A key's name is frozen when it
counts first, so an id that is new and has no name makes the list be asked for before it counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from exporter.clock import Clock
from exporter.gateway.client import GatewayClient
from exporter.gateway.readings import KeyRef, KeysReading
from exporter.ledger.ledger import Ledger
from exporter.live import LiveAccount, warn_unreadable
from exporter.threads import Worker
from exporter.throttle import Throttle

_REMEMBERED = 10_000


@dataclass(eq=False)
class KeyReader:
    """Keeps the newest list of one account's keys."""

    _account: LiveAccount
    _client: GatewayClient
    _ledger: Ledger
    _worker: Worker
    _clock: Clock
    _throttle: Throttle
    _asked_for: set[KeyRef] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._reading = asyncio.Lock()

    async def read(self) -> None:
        """Read the list, and name by it what counts without a name. Raises GatewayError."""
        account, key = self._account, self._client.accepted_key
        async with self._reading:
            reading = await self._client.keys()
            if self._client.accepted_key != key:
                return  # it may be another wallet's
            account.listed = reading
            self._tell_unreadable(reading)
            await self._adopt(reading)

    async def _adopt(self, reading: KeysReading) -> None:
        name = self._account.name
        if await self._worker.do(self._ledger.has_begun, name):
            refs = [key.key for key in reading.keys]
            await self._worker.do(self._ledger.commit_keys, name, refs, self._clock.now())

    def _tell_unreadable(self, reading: KeysReading) -> None:
        for key in reading.keys:
            of = f"key {key.shown_id}"
            warn_unreadable(self._throttle, self._account.name, of, key.unreadable)

    async def names(
        self, refs: Iterable[KeyRef], poll: Callable[[], Awaitable[object]]
    ) -> Mapping[KeyRef, KeyRef]:
        """Those of the keys that the list names, each with what it says.

        `poll` reads the list, and is called once for keys that have not come before.
        """
        nameless = {ref for ref in refs if ref.name is None}
        named = _named_by(self._account.listed, nameless)
        unknown = nameless - named.keys() - self._asked_for
        if not unknown:
            return named
        if len(self._asked_for) > _REMEMBERED:
            self._asked_for.clear()
        self._asked_for |= unknown
        if self._reading.locked():
            async with self._reading:
                pass
        else:
            await poll()
        return _named_by(self._account.listed, nameless)

    def forget(self) -> None:
        """Another wallet begins."""
        self._asked_for.clear()


def _named_by(listed: KeysReading | None, refs: Iterable[KeyRef]) -> dict[KeyRef, KeyRef]:
    """What the list adds to each of the keys that it knows.

    A masked form that several keys share is none's in particular, and gets no id: what comes
    under it may be of a key that is gone.
    """
    if listed is None:
        return {}
    by_id = {one.key.gateway_id: one.key for one in listed.keys}
    by_mask: dict[str | None, list[KeyRef]] = {}
    for one in listed.keys:
        by_mask.setdefault(one.key.masked, []).append(one.key)
    named = {}
    for ref in refs:
        if ref.gateway_id is not None:
            key = by_id.get(ref.gateway_id)
            if key is not None:
                named[ref] = KeyRef(ref.gateway_id, ref.masked or key.masked, key.name)
        elif ref.masked is not None and len(by_mask.get(ref.masked, ())) == 1:
            named[ref] = KeyRef(None, ref.masked, by_mask[ref.masked][0].name)
    return named

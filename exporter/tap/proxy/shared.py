"""What all connections of one proxy have in common."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import TYPE_CHECKING

from exporter.clock import Clock
from exporter.tap.proxy.limits import BUFFER, MAX_CONNECTIONS
from exporter.tap.proxy.observing import Observe, Observer
from exporter.tap.proxy.pool import Pool
from exporter.tap.proxy.refusal import Refusal
from exporter.tap.proxy.target import Hosts, ProxyTarget, address_of
from exporter.throttle import Throttle
from exporter.traffic import ProxyOutcome, TapStatus

if TYPE_CHECKING:
    from exporter.tap.proxy.client import Client

logger = logging.getLogger(__name__)

_CLOSING_ROUNDS = 5
"""Rounds of the event loop in which a connection that was cut off says so."""


class Shared:
    """Who is connected, where requests go, and what time it is.

    `now` (monotonic s) is set once a tick: precise enough for time-outs, and free to read.
    `idle` holds the clients without a request, in the order in which they became so.
    """

    def __init__(
        self, listen: str, target: ProxyTarget, observe: Observe, status: TapStatus, clock: Clock
    ) -> None:
        self._listen = listen
        self._target = target
        self._clock = clock
        self._empty = asyncio.Event()
        self.buffer = bytearray(BUFFER)
        self.view = memoryview(self.buffer)
        self.status = status
        self.now = clock.monotonic()
        self.observer = Observer(observe, clock)
        self.throttle = Throttle(logger, clock)
        self.clients: set[Client] = set()
        self.idle: dict[Client, None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.max_connections = MAX_CONNECTIONS
        self.draining = False
        self.hosts = Hosts(listen, target)
        self.pool = Pool(address_of(target.base_url), self)

    def aim(self, target: ProxyTarget) -> None:
        """Requests that begin from now on go to `target`."""
        if target == self._target:
            return
        self._target = target
        self.pool.retire()
        self.hosts = Hosts(self._listen, target)
        self.pool = Pool(address_of(target.base_url), self)

    def begin(self, work: Coroutine[None, None, None]) -> None:
        """Let something go on by itself, until the proxy stops."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def refused(self, refusal: Refusal) -> None:
        """Count a request that was not passed on."""
        self.status.requests[ProxyOutcome.REFUSED] += 1
        self.complain(ProxyOutcome.REFUSED, refusal)

    def complain(self, outcome: ProxyOutcome, refusal: Refusal) -> None:
        """Say why requests fail that the application is not to blame for, or not alone."""
        if outcome is ProxyOutcome.GATEWAY_FAILED:
            self.throttle.say(str(refusal), "The proxy's gateway fails: %s", refusal)
        elif outcome is ProxyOutcome.REFUSED:
            self.throttle.say(refusal.kind, "The proxy refuses a request: %s", refusal)

    def make_room(self) -> bool:
        """Cut off the client that has been idle longest, if any is idle."""
        oldest = next(iter(self.idle), None)
        if oldest is None:
            return False
        self.gone(oldest)
        oldest.transport.abort()
        return True

    def gone(self, client: Client) -> None:
        """A client's connection is gone."""
        self.clients.discard(client)
        self.idle.pop(client, None)
        if not self.clients:
            self._empty.set()

    def tick(self) -> None:
        """Look at the time, and end what has taken too long."""
        self.now = self._clock.monotonic()
        for client in tuple(self.clients):
            client.check(self.now)
        self.pool.drop_old(self.now)

    async def drain(self, grace: float) -> None:
        """Close what is idle, wait up to `grace` s for the rest, and cut that off."""
        self.draining = True
        for client in tuple(self.clients):
            client.drain()
        if self.clients and grace > 0:
            self._empty.clear()
            waits = {
                asyncio.create_task(self._empty.wait()),
                asyncio.create_task(self._clock.sleep(grace)),
            }
            _, left = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for task in left:
                task.cancel()
            await asyncio.wait(waits)
        if cut := sum(client.exchange is not None for client in self.clients):
            logger.warning("The proxy stops and cuts off %d request(s) that were under way", cut)
        for client in tuple(self.clients):
            client.cut()
        self.pool.retire()
        for task in self._tasks:
            task.cancel()
        for _ in range(_CLOSING_ROUNDS):
            await asyncio.sleep(0)

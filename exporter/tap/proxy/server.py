"""The proxy in front of the gateway: listens, watches the time, stops."""

from __future__ import annotations

import asyncio
import resource

from exporter import accept
from exporter.clock import Clock
from exporter.config.types import Listen
from exporter.errors import ListenError
from exporter.tap.proxy.client import Client
from exporter.tap.proxy.limits import GRACE, MAX_CONNECTIONS, SPARE_FILES, TICK
from exporter.tap.proxy.observing import Observe
from exporter.tap.proxy.shared import Shared
from exporter.tap.proxy.target import ProxyTarget
from exporter.traffic import TapStatus

_FILES_EACH = 2
"""One connection of an application, and one to the gateway."""


class Proxy:
    """Passes the requests of applications to the gateway, and observes the responses."""

    def __init__(
        self,
        listen: Listen,
        target: ProxyTarget,
        observe: Observe,
        status: TapStatus,
        clock: Clock,
    ) -> None:
        """`observe` gets each response of which the key is known; it should be quick."""
        self._listen = listen
        self._clock = clock
        self._shared = Shared(listen.host, target, observe, status, clock)
        self._server: asyncio.Server | None = None
        self._ticking: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """`host:port` as bound, with the port that was free if 0 was asked for."""
        if self._server is None or not self._server.sockets:
            raise RuntimeError("the proxy is not running")
        return str(Listen(*self._server.sockets[0].getsockname()[:2]))

    async def start(self) -> None:
        """Bind and serve. Raises ListenError, which says what to change."""
        listen, shared = self._listen, self._shared
        shared.max_connections = _room()
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: Client(shared),
                listen.host,
                listen.port,
                backlog=MAX_CONNECTIONS,
                reuse_address=True,
            )
        except (OSError, UnicodeError, OverflowError) as error:
            without = "the proxy"
            raise ListenError.at("tap.proxy.listen", str(listen), error, without) from error
        self._ticking = asyncio.create_task(self._tick())

    def retarget(self, target: ProxyTarget) -> None:
        """Send requests that begin from now on to `target`; what is under way goes on."""
        self._shared.aim(target)

    async def stop(self, grace: float = GRACE) -> None:
        """Accept nothing more, let what is under way go on for `grace` s, then cut it off."""
        server, self._server = self._server, None
        if server is None:
            return
        await accept.close(server)
        await self._shared.drain(grace)
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.wait({self._ticking})

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep(TICK)
            self._shared.tick()


def _room() -> int:
    """How many connections may be open, with a limit on open files that is raised if need be."""
    wanted = _FILES_EACH * MAX_CONNECTIONS + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return max(1, min(MAX_CONNECTIONS, (soft - SPARE_FILES) // _FILES_EACH))
    return MAX_CONNECTIONS

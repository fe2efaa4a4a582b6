"""The HTTP server: uvicorn's h11 protocol in the daemon's own event loop.

`uvicorn.Server` is not used: it takes over signals, exits the process when the port is busy
and wakes up ten times a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from uvicorn.config import Config as UvicornConfig
from uvicorn.server import ServerState

from exporter.config import Listen
from exporter.errors import ListenError
from exporter.web.app import App
from exporter.web.protocol import MAX_CONNECTIONS, BoundedProtocol

KEEP_ALIVE_SECONDS = 5
MAX_HEADER_BYTES = 16_384
STOP_SECONDS = 0.4
"""How long an answer that is under way may take when the server stops."""


_ACCEPTING = 3
"""Rounds of the event loop from accepting a connection to handing it over."""


class WebServer:
    """Serves an `App` on one address."""

    def __init__(
        self, listen: Listen, app: App, protocol: type[BoundedProtocol] = BoundedProtocol
    ) -> None:
        self._listen = listen
        self._protocol = protocol
        self._uvicorn = UvicornConfig(
            app=app,
            http=protocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            workers=1,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        )
        self._state = ServerState()
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        """`host:port` as bound, with the port that was free if 0 was asked for."""
        if self._server is None or not self._server.sockets:
            raise RuntimeError("the web server is not running")
        return str(Listen(*self._server.sockets[0].getsockname()[:2]))

    @property
    def open_connections(self) -> int:
        """How many connections are open."""
        return len(self._state.connections)

    async def start(self) -> None:
        """Bind and serve. Raises ListenError, which says what to change."""
        # What a client does wrong is no business of this process's log.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        if not self._uvicorn.loaded:
            self._uvicorn.load()
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                self._connection, self._listen.host, self._listen.port, backlog=2 * MAX_CONNECTIONS
            )
        except (OSError, UnicodeError, OverflowError) as error:
            address = str(self._listen)
            raise ListenError.at("http.listen", address, error, "the status page") from error

    async def stop(self) -> None:
        """Stop within a second: open answers get a moment, the rest is cut off. May be repeated."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        for connection in self._connections():
            connection.shutdown()
        await _closed(self._connections())
        for _ in range(_ACCEPTING):
            await asyncio.sleep(0)
        late = self._connections()
        for connection in late:
            connection.abort()
        await _closed(late)
        await self._cancel_answers()

    async def _cancel_answers(self) -> None:
        tasks = tuple(self._state.tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_SECONDS)

    def _connections(self) -> list[BoundedProtocol]:
        return [c for c in self._state.connections if isinstance(c, BoundedProtocol)]

    def _connection(self) -> BoundedProtocol:
        return self._protocol(config=self._uvicorn, server_state=self._state, app_state={})


async def _closed(connections: list[BoundedProtocol]) -> None:
    """Wait until all of them are closed, for `STOP_SECONDS` at most."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STOP_SECONDS):
            for connection in connections:
                await connection.closed.wait()

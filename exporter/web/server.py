"""The HTTP server, in the daemon's own event loop."""

from __future__ import annotations

import asyncio

from exporter.config import Listen
from exporter.errors import ListenError
from exporter.web.app import App
from exporter.web.protocol import MAX_HEADER_BYTES, Bounds, Connection

STOP_SECONDS = 0.4
"""How long an answer that is under way may take when the server stops."""

_ACCEPTING = 3
"""Rounds of the event loop from accepting a connection to handing it over."""


class WebServer:
    """Serves an `App` on one address."""

    def __init__(self, listen: Listen, app: App, bounds: Bounds | None = None) -> None:
        self._listen = listen
        self._app = app
        self._bounds = bounds or Bounds()
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        """`host:port` as bound, with the port that was free if 0 was asked for."""
        if self._server is None or not self._server.sockets:
            raise RuntimeError("the web server is not running")
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def open_connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    async def start(self) -> None:
        """Bind and serve. Raises ListenError, which says what to change."""
        try:
            self._server = await asyncio.start_server(
                self._connected,
                self._listen.host,
                self._listen.port,
                limit=MAX_HEADER_BYTES,
                backlog=2 * self._bounds.connections,
            )
        except (OSError, UnicodeError, OverflowError) as error:
            raise ListenError(
                f"cannot listen on {self._listen.host}:{self._listen.port} ({_reason(error)}): "
                'set http.listen to a free address, or to "" to do without the status page'
            ) from error

    async def stop(self) -> None:
        """Stop within a second: open answers get a moment, the rest is cut off. May be repeated."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        for connection in self._connections:
            connection.finish()
        await self._closed()
        for _ in range(_ACCEPTING):
            await asyncio.sleep(0)
        for connection in self._connections:
            connection.abort()
        await self._closed()

    async def _closed(self) -> None:
        """Wait until all connections are closed, for `STOP_SECONDS` at most."""
        if self._connections:
            await asyncio.wait([c.task for c in self._connections], timeout=STOP_SECONDS)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection, at the cost of the oldest one if there are too many."""
        if len(self._connections) >= self._bounds.connections:
            oldest = min(self._connections, key=lambda connection: connection.waiting_since)
            oldest.abort()
            self._connections.discard(oldest)
        connection = Connection(self._app, reader, writer, self._bounds.request_seconds)
        self._connections.add(connection)
        connection.task.add_done_callback(lambda _: self._connections.discard(connection))


def _reason(error: Exception) -> str:
    strerror = error.strerror if isinstance(error, OSError) else None
    return strerror or str(error) or type(error).__name__

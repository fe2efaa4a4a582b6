"""The HTTP server, in the daemon's own event loop."""

from __future__ import annotations

import asyncio

from exporter import accept
from exporter.config.types import Listen
from exporter.errors import ListenError
from exporter.web.app import App
from exporter.web.protocol import MAX_HEADER_BYTES, Bounds, Connection

STOP_SECONDS = 0.4
"""How long an answer that is under way may take when the server stops."""


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
        return str(Listen(*self._server.sockets[0].getsockname()[:2]))

    @property
    def open_connections(self) -> int:
        """How many connections are open."""
        return len(self._open())

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
            address = str(self._listen)
            raise ListenError.at("http.listen", address, error, "the status page") from error

    async def stop(self) -> None:
        """Stop within a second: open answers get a moment, the rest is cut off. May be repeated."""
        server, self._server = self._server, None
        if server is None:
            return
        await accept.close(server)
        for connection in self._connections:
            connection.finish()
        await self._closed()
        for connection in self._connections:
            connection.cancel()
        await self._closed()

    async def _closed(self) -> None:
        """Wait until all connections are closed, for `STOP_SECONDS` at most."""
        if self._connections:
            await asyncio.wait([c.task for c in self._connections], timeout=STOP_SECONDS)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection, at the cost of the oldest one if there are too many."""
        if len(self._open()) >= self._bounds.connections:
            min(self._open(), key=lambda connection: connection.waiting_since).abort()
        connection = Connection(self._app, reader, writer, self._bounds.request_seconds)
        self._connections.add(connection)
        connection.task.add_done_callback(lambda _: self._connections.discard(connection))

    def _open(self) -> list[Connection]:
        return [connection for connection in self._connections if not connection.aborted]

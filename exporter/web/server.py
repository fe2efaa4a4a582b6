"""The HTTP server: uvicorn's protocol in the daemon's own event loop.

`uvicorn.Server` is not used: it takes over the signals, ends the process where the port is taken,
and loses connections that are on their way when it stops. And where uvicorn waits for a client
for ever, a connection here has a deadline for each request.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import h11
import msgspec
from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from exporter.config.types import Listen
from exporter.errors import ListenError

MAX_HEADER_BYTES = 16_384

STOP_SECONDS = 0.4
"""How long an answer that is under way may take when the server stops."""

_HANDING_OVER = 3
"""Rounds of the event loop that a connection takes from its acceptance to its protocol."""


class Bounds(msgspec.Struct, frozen=True):
    """What clients may take.

    `request_seconds`: for one request, from the end of the answer before it to the last byte of
    its own, so silence counts. `connections`: past so many, the one that has waited longest makes
    room, so that probes always get through.
    """

    request_seconds: float = 10.0
    connections: int = 64


class WebServer:
    """Serves an ASGI application on one address."""

    def __init__(self, listen: Listen, app: ASGIApp, bounds: Bounds | None = None) -> None:
        self._listen = listen
        self._app = app
        self._bounds = bounds or Bounds()
        self._state = ServerState()
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        """`host:port` as bound, with the port that was free if 0 was asked for."""
        if self._server is None or not self._server.sockets:
            raise RuntimeError("the web server is not running")
        return str(Listen(*self._server.sockets[0].getsockname()[:2]))

    async def start(self) -> None:
        """Bind and serve. Raises ListenError, which says what to change."""
        config = _configure(self._app)
        config.load()
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: _Connection(config, self._state, self._bounds),
                self._listen.host,
                self._listen.port,
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
        await _stop_accepting(server)
        for connection in self._connections():
            connection.shutdown()
        await self._closed()
        for connection in self._connections():
            connection.abort()
        for task in self._state.tasks:
            task.cancel()
        await self._closed()

    def _connections(self) -> list[_Connection]:
        return [known for known in self._state.connections if isinstance(known, _Connection)]

    async def _closed(self) -> None:
        """Wait until all is closed, for `STOP_SECONDS` at most."""
        ends = [connection.closed for connection in self._connections()]
        if waiting := [*ends, *self._state.tasks]:
            await asyncio.wait(waiting, timeout=STOP_SECONDS)


def _configure(app: ASGIApp) -> Config:
    """Without uvicorn's logging: the mistakes of clients do not belong into this process's log."""
    return Config(
        app,
        interface="asgi3",
        lifespan="off",
        ws="none",
        http=_Connection,
        log_config=None,
        log_level=logging.CRITICAL,
        access_log=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
    )


async def _stop_accepting(server: asyncio.Server) -> None:
    """Accept nothing more. Whoever was accepted has reached its protocol afterwards.

    `Server.close` alone makes asyncio lose the sockets that are on their way: nobody closes them.
    """
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        loop.remove_reader(listening.fileno())
    try:
        for _ in range(_HANDING_OVER):
            await asyncio.sleep(0)
    finally:
        server.close()


class _Connection(H11Protocol):
    """Cut off when a request, answer included, takes too long, or when others need the room."""

    def __init__(self, config: Config, state: ServerState, bounds: Bounds) -> None:
        super().__init__(config, state, {})
        self._bounds = bounds
        self._deadline: asyncio.TimerHandle | None = None
        self._said_all = False
        self._left_over = False
        self.closed: asyncio.Future[None] = self.loop.create_future()
        self.aborted = False
        self.waiting_since = self.loop.time()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        others = [c for c in self.connections if isinstance(c, _Connection) and not c.aborted]
        if len(others) >= self._bounds.connections:
            min(others, key=lambda connection: connection.waiting_since).abort()
        super().connection_made(transport)
        self._wait_for_request()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)
        if not self.closed.done():
            self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Go on reading, unless this is the rest of a body whose request is answered already."""
        if not self._left_over:
            super().data_received(data)

    def eof_received(self) -> Any:
        """Stay open for the answer, where all of a request has come."""
        self._said_all = True
        return self.cycle is not None and not self.cycle.more_body and not self._idle

    def on_response_complete(self) -> None:
        self._wait_for_request()
        if self.conn.their_state is h11.SEND_BODY and not self.transport.is_closing():
            # To close now would reset the connection, and the answer might be lost by that.
            self._left_over = True
            self.transport.write_eof()
        super().on_response_complete()
        if self._said_all and self._idle:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, unless its answer has begun already."""
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE} and self._idle:
            super().send_400_response(msg)
        else:
            self.transport.close()

    def abort(self) -> None:
        """Close now, without waiting for the peer to read."""
        self.aborted = True
        self.transport.abort()

    @property
    def _idle(self) -> bool:
        """Whether no answer is under way."""
        return self.cycle is None or self.cycle.response_complete

    def _wait_for_request(self) -> None:
        self.waiting_since = self.loop.time()
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(self._bounds.request_seconds, self.abort)

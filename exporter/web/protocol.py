"""Bounds that uvicorn's HTTP protocol lacks: connections, time for one request, hostile framing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

REQUEST_SECONDS = 10.0
"""One request, from its first byte to the last of its answer; also the longest silence at first."""

MAX_CONNECTIONS = 64
"""Past it, the connection that has waited longest makes room, so that probes always get through."""


class BoundedProtocol(H11Protocol):
    """One connection. It is cut off when a request, answer included, takes too long."""

    request_seconds = REQUEST_SECONDS
    max_connections = MAX_CONNECTIONS
    _deadline: asyncio.TimerHandle | None = None
    waiting_since = 0.0
    closed: asyncio.Event

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, at the cost of the oldest one if there are too many."""
        super().connection_made(transport)
        self.closed = asyncio.Event()
        self._arm()
        if len(self.connections) > self.max_connections:
            _longest_waiting(self.connections, but=self).abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Release the connection's timer, and whoever waits for its end."""
        self._disarm()
        super().connection_lost(exc)
        self.closed.set()

    def data_received(self, data: bytes) -> None:
        """Read on. h11 cannot answer what is malformed after the answer was begun: cut it off."""
        try:
            super().data_received(data)
        except h11.LocalProtocolError:
            self.abort()

    def on_response_complete(self) -> None:
        """Give the next request its own time."""
        self._arm()
        super().on_response_complete()

    def shutdown(self) -> None:
        """Close as soon as nothing is being answered."""
        try:
            super().shutdown()
        except h11.LocalProtocolError:
            self.abort()

    def abort(self) -> None:
        """Close now, whatever is under way, without waiting for the peer to read."""
        self._disarm()
        self.connections.discard(self)
        self.transport.abort()

    def _arm(self) -> None:
        self._disarm()
        self.waiting_since = self.loop.time()
        self._deadline = self.loop.call_later(self.request_seconds, self.abort)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _longest_waiting(connections: Iterable[object], but: BoundedProtocol) -> BoundedProtocol:
    others = (c for c in connections if isinstance(c, BoundedProtocol) and c is not but)
    return min(others, key=lambda connection: connection.waiting_since, default=but)

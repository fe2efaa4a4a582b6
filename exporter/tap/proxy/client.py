"""One connection of an application: its requests, one at a time."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Final

from exporter.tap.proxy.exchange import Exchange
from exporter.tap.proxy.heads import Sent, read_request
from exporter.tap.proxy.limits import BUFFER, CLOSING_SECONDS, HEAD_SECONDS, IDLE_SECONDS
from exporter.tap.proxy.refusal import Refusal, no_tunnel, too_busy, too_slow, wrong_host
from exporter.tap.proxy.requests import RequestReader

if TYPE_CHECKING:
    from exporter.tap.proxy.shared import Shared

_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER that makes a close tell the other side that something is missing."""


class Client(asyncio.BufferedProtocol):
    """`full`: it does not take more for now. `held`: it is not read for now."""

    __slots__ = (
        "_begun",
        "_closing",
        "_deadline",
        "_local",
        "_reader",
        "_rest",
        "_shared",
        "exchange",
        "full",
        "held",
        "transport",
    )

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._reader = RequestReader()
        self._rest = b""
        self._begun = True
        self._closing = False
        self._deadline = shared.now + HEAD_SECONDS
        self._local = ""
        self.exchange: Exchange | None = None
        self.full = False
        self.held = False
        self.transport: asyncio.Transport

    # -- called by the event loop -------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, at the cost of the one idle longest if there are too many."""
        assert isinstance(transport, asyncio.Transport)
        shared = self._shared
        self.transport = transport
        self._local = transport.get_extra_info("sockname")[0]
        transport.set_write_buffer_limits(high=BUFFER)
        shared.clients.add(self)
        if shared.draining:
            transport.abort()
        elif len(shared.clients) > shared.max_connections and not shared.make_room():
            self._reject(too_busy())
        shared.idle[self] = None

    def get_buffer(self, sizehint: int) -> memoryview:
        """One for all: what is in it is used up before the next connection is read."""
        return self._shared.view

    def buffer_updated(self, nbytes: int) -> None:
        """Something came from the application."""
        self._take(self._shared.buffer, self._shared.view, nbytes)

    def eof_received(self) -> None:
        """The application is done. Who asks and stops listening at once is taken for gone."""
        if self.exchange is not None:
            self.exchange.client_gone()
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        if self.exchange is not None:
            self.exchange.client_gone()
        self._closing = True
        self._shared.gone(self)
        del self._reader  # its parser refers back to it

    def pause_writing(self) -> None:
        """The application is slower than the gateway."""
        self.full = True
        if self.exchange is not None:
            self.exchange.client_full()

    def resume_writing(self) -> None:
        """The application has caught up."""
        self.full = False
        if self.exchange is not None:
            self.exchange.client_ready()

    # -- called by the exchange ---------------------------------------------------------------

    @property
    def may_stay(self) -> bool:
        """Whether another request may follow on this connection."""
        return not (self._reader.overrun or self._shared.draining)

    def hold(self) -> None:
        """Do not read for now."""
        self.held = True
        self.transport.pause_reading()

    def release(self) -> None:
        """Read on."""
        if self.held:
            self.held = False
            self.transport.resume_reading()

    def answered(self, keep: bool) -> None:
        """The response is complete."""
        if not (keep and self.may_stay):
            self._close(unread=not self._reader.done or bool(self._rest))
            return
        self._reader.reset()
        self._begun = False
        self._deadline = self._shared.now + IDLE_SECONDS
        self._shared.idle[self] = None
        rest, self._rest = self._rest, b""
        self.release()
        if rest:
            self._take(rest, memoryview(rest), len(rest))

    def refuse(self, refusal: Refusal, *, body: bool = True) -> None:
        """Answer in place of the gateway, and close."""
        self.transport.write(refusal.answer(body=body))
        self._close(unread=True)

    def break_off(self, *, reset: bool) -> None:
        """Close in the middle of an answer, so that it cannot be taken for a whole one."""
        if reset:  # it ends where the connection does
            linger = (socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.get_extra_info("socket").setsockopt(*linger)
            self.transport.abort()
        else:
            self._close(unread=False)

    # -- called by the proxy ------------------------------------------------------------------

    def check(self, now: float) -> None:
        """End what takes too long."""
        if self.exchange is not None:
            self.exchange.check(now)
        elif now < self._deadline:
            return
        elif self._closing:
            self.transport.abort()
        elif self._reader.begun:
            self._reject(too_slow())
        else:
            self._close(unread=False)

    def drain(self) -> None:
        """Close, unless a request is under way."""
        if self.exchange is None and not self._reader.begun:
            self._close(unread=False)

    def cut(self) -> None:
        """Close, whatever is under way."""
        if self.exchange is not None:
            self.exchange.cut()
        self.transport.abort()

    # -- the inside ---------------------------------------------------------------------------

    def _take(self, data: bytes | bytearray, view: memoryview, size: int) -> None:
        if self._closing:
            return
        if not self._begun:
            self._begun = True
            self._deadline = self._shared.now + HEAD_SECONDS
        try:
            self._read(data, view, size)
        except Refusal as refusal:
            self._reject(refusal)
        else:
            if self.exchange is not None:
                self.exchange.flush()

    def _read(self, data: bytes | bytearray, view: memoryview, size: int) -> None:
        reader = self._reader
        at = 0
        while at < size:
            if self.exchange is not None and self.exchange.asked:
                self._wait_with(data[at:size])
                return
            at = reader.feed(data, view, at, size)
            if reader.head is not None:
                self._begin(reader.head)
            if self.exchange is None:
                continue
            if reader.body:
                self.exchange.send(reader.body)
                reader.body.clear()
            if reader.done:
                self.exchange.end_of_request(reader.trailers)

    def _begin(self, sent: Sent) -> None:
        """A head has arrived: judge it, and ask the gateway."""
        if sent.method == b"CONNECT":
            raise no_tunnel()
        shared = self._shared
        address = shared.pool.address
        head = read_request(sent, address.authority, address.prefix)
        for host in head.host:
            if not shared.hosts.allow(host, self._local):
                raise wrong_host()
        self._reader.expect(head)
        shared.idle.pop(self, None)
        self.exchange = Exchange(shared, self, head)
        self.exchange.start()

    def _wait_with(self, rest: bytes | bytearray) -> None:
        """Keep what came after the request until that is answered."""
        self._rest += rest
        if len(self._rest) >= BUFFER:
            self.hold()

    def _reject(self, refusal: Refusal) -> None:
        if self.exchange is not None:
            self.exchange.refuse(refusal)
            return
        self._shared.refused(refusal)
        head = self._reader.head
        self.refuse(refusal, body=head is None or head.method != b"HEAD")

    def _close(self, *, unread: bool) -> None:
        """Close once everything is sent.

        What is still `unread` is read and thrown away: to close on it would make the system
        take back the answer (RFC 9112 §9.6).
        """
        self._closing = True
        self._deadline = self._shared.now + CLOSING_SECONDS
        self._shared.idle[self] = None
        if unread and not self.transport.is_closing():
            self.transport.write_eof()
            self._rest = b""
            self.release()
        else:
            self.transport.close()

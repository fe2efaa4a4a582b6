"""One connection to the gateway: bytes into the events of one response at a time."""

from __future__ import annotations

import asyncio
import select
from typing import TYPE_CHECKING, Protocol

from httptools import HttpParserCallbackError, HttpParserError, HttpResponseParser

from exporter.tap.proxy.heads import Header
from exporter.tap.proxy.limits import BUFFER, MAX_HEAD, MAX_HEADERS
from exporter.tap.proxy.refusal import BadAnswerError

if TYPE_CHECKING:
    from exporter.tap.proxy.shared import Shared


class Asker(Protocol):
    """Who waits for a response."""

    def interim(self, status: int, reason: bytes, headers: list[Header]) -> None:
        """A response that announces another one (1xx). May raise BadAnswerError."""

    def head(self, status: int, reason: bytes, headers: list[Header], reusable: bool) -> bool:
        """The response's head; returns whether a body may follow. May raise BadAnswerError."""

    def body(self, data: bytes) -> None:
        """Some of the body."""

    def fed(self, complete: bool, trailers: list[Header]) -> None:
        """All that came in one piece was told, and whether the response is `complete`."""

    def broken(self, why: str) -> None:
        """What came is no response."""

    def lost(self, orderly: bool) -> None:
        """The connection is gone; `orderly`: the gateway closed it."""

    def gateway_full(self) -> None:
        """The gateway does not take more for now."""

    def gateway_ready(self) -> None:
        """The gateway takes more again."""


class Link(asyncio.BufferedProtocol):
    """Belongs to one `Asker` at a time, and to nobody while it is idle.

    `idle_since` is when (monotonic s) it became so.
    """

    __slots__ = (
        "_asker",
        "_bare",
        "_complete",
        "_headers",
        "_in_body",
        "_lost",
        "_parser",
        "_poll",
        "_reason",
        "_shared",
        "_trailers",
        "full",
        "idle_since",
        "transport",
    )

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._asker: Asker | None = None
        self._lost = False
        self.full = False
        self.idle_since = 0.0
        self.transport: asyncio.Transport
        self._parser: HttpResponseParser
        self._complete: bool
        self._in_body: bool
        self._reason: bytes
        self._headers: list[Header]
        self._trailers: list[Header]
        self._bare: int
        self._renew()

    # -- for whoever asks ---------------------------------------------------------------------

    def take(self, asker: Asker) -> None:
        """Belong to `asker` until `leave`."""
        self._asker = asker
        self._complete = False

    def leave(self) -> None:
        """Belong to nobody, and wait for another asker."""
        self._asker = None
        if self._in_body:  # the parser waits for the body that a HEAD's response announces
            self._renew()
        self.transport.resume_reading()

    @property
    def fresh(self) -> bool:
        """Whether it can be used: open, and nothing has come that nobody asked for."""
        if self._lost or self.transport.is_closing():
            return False
        return not self._poll.poll(0)

    def write(self, data: bytes) -> None:
        """Send to the gateway."""
        if not self._lost:
            self.transport.write(data)

    def abort(self) -> None:
        """Close at once: what is under way at the gateway is of no interest any more."""
        self._asker = None
        self.transport.abort()

    # -- called by the event loop -------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=BUFFER)
        self._poll = select.poll()
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def get_buffer(self, sizehint: int) -> memoryview:
        """One for all: what is in it is used up before the next connection is read."""
        return self._shared.view

    def buffer_updated(self, nbytes: int) -> None:
        """Something came from the gateway."""
        why = ""
        self._bare += nbytes
        try:
            self._parser.feed_data(self._shared.view[:nbytes])
        except HttpParserError as error:
            why = _reason(error) or "it is not HTTP"
        asker = self._asker
        if asker is None or (why and not self._complete):
            self._break(why)
        elif self._bare > MAX_HEAD:
            self._break("it has too much beside its body")
        else:
            if why:  # more than was asked for: the response stands, the connection does not
                self.transport.abort()
            trailers = self._trailers
            complete = self._complete
            if complete:
                self._trailers = []
            asker.fed(complete, trailers)

    def eof_received(self) -> None:
        """The gateway closed the connection; `connection_lost` follows."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._lost = True
        self._shared.pool.forget(self)
        asker, self._asker = self._asker, None
        del self._parser  # it refers back to this object
        if asker is not None:
            asker.lost(orderly=exc is None)

    def pause_writing(self) -> None:
        """The gateway is slower than the application."""
        self.full = True
        if self._asker is not None:
            self._asker.gateway_full()

    def resume_writing(self) -> None:
        """The gateway has caught up."""
        self.full = False
        if self._asker is not None:
            self._asker.gateway_ready()

    # -- called by the parser -----------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A response begins."""
        if self._asker is None or self._complete:
            raise BadAnswerError("it came without a request")

    def on_status(self, reason: bytes) -> None:
        """Some of the reason phrase."""
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header or a trailer."""
        headers = self._trailers if self._in_body else self._headers
        if len(headers) >= MAX_HEADERS:
            raise BadAnswerError("it has too many headers")
        headers.append((name, value))

    def on_headers_complete(self) -> None:
        """A head is complete."""
        assert self._asker is not None
        status = self._parser.get_status_code()
        reason, headers = self._reason, self._headers
        self._reason, self._headers = b"", []
        self._bare = 0
        if status < 200:
            if status in (101, *range(100)):
                raise BadAnswerError(f"status {status} was not asked for")
            self._asker.interim(status, reason, headers)
            return
        self._in_body = True
        if not self._asker.head(status, reason, headers, self._parser.should_keep_alive()):
            self._complete = True

    def on_body(self, data: bytes) -> None:
        """Some of the body."""
        if self._asker is None or self._complete:
            raise BadAnswerError("it has a body where there is none")
        self._bare = 0
        self._asker.body(data)

    def on_message_complete(self) -> None:
        """A response is complete, if it is not one that announces another."""
        self._bare = 0
        if self._in_body:
            self._complete = True
            self._in_body = False

    def _break(self, why: str) -> None:
        asker, self._asker = self._asker, None
        self.transport.abort()
        if asker is not None:
            asker.broken(why)

    def _renew(self) -> None:
        self._parser = HttpResponseParser(self)
        self._complete = False
        self._in_body = False
        self._reason = b""
        self._headers = []
        self._trailers = []
        self._bare = 0


def _reason(error: HttpParserError) -> str:
    """Why an answer cannot be read. A mistake of ours in a callback is raised as it is."""
    if isinstance(error, HttpParserCallbackError):
        if not isinstance(error.__context__, BadAnswerError):
            raise error
        return str(error.__context__)
    return str(error)

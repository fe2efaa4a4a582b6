"""TLS to the gateway, over the standard library's `ssl.SSLObject`.

asyncio's own keeps 256 KiB for each connection: 125 MiB for 500 streams, which is more than
twice what the whole exporter may take.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from typing import TYPE_CHECKING, Any, cast

import certifi

if TYPE_CHECKING:
    from exporter.tap.proxy.link import Link
    from exporter.tap.proxy.shared import Shared


def trusting() -> ssl.SSLContext:
    """Whom the poller's client trusts as well: `SSL_CERT_FILE`, `SSL_CERT_DIR`, or certifi."""
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if file or folder:
        context = ssl.create_default_context(cafile=file or None, capath=None if file else folder)
    else:
        context = ssl.create_default_context(cafile=certifi.where())
    context.options |= ssl.OP_NO_RENEGOTIATION  # so that writing never waits for reading
    context.set_alpn_protocols(["http/1.1"])
    return context


class Tls(asyncio.BufferedProtocol, asyncio.Transport):
    """Between the TCP connection, of which it is the protocol, and a link, of which the transport.

    `ready` is done once the handshake is, and fails with an OSError if that does.
    """

    __slots__ = (
        "_established",
        "_incoming",
        "_link",
        "_outgoing",
        "_ready",
        "_shared",
        "_ssl",
        "_tcp",
        "_why",
    )

    def __init__(
        self,
        context: ssl.SSLContext,
        host: str,
        link: Link,
        shared: Shared,
        ready: asyncio.Future[None],
    ) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._ssl = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._link = link
        self._shared = shared
        self._ready = ready
        self._established = False
        self._why: OSError | None = None  # it ends, where TCP sees nothing wrong
        self._tcp: asyncio.Transport

    # -- the protocol of the TCP connection ---------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        assert isinstance(transport, asyncio.Transport)
        self._tcp = transport
        self._shake_hands()

    def get_buffer(self, sizehint: int) -> memoryview:
        """The same for all connections, encrypted or not."""
        return self._shared.view

    def buffer_updated(self, nbytes: int) -> None:
        """Something encrypted came."""
        self._incoming.write(self._shared.view[:nbytes])
        if self._established:
            self._read()
        else:
            self._shake_hands()

    def eof_received(self) -> None:
        """The gateway left without a word: where the end of an answer is its end, it is none."""
        self._why = ConnectionResetError("the connection ended without TLS's farewell")

    def connection_lost(self, exc: Exception | None) -> None:
        """The TCP connection is gone."""
        why = exc or self._why
        if self._established:
            self._link.connection_lost(why)
        elif not self._ready.done():
            self._ready.set_exception(why or ConnectionResetError("it ended in the handshake"))

    def pause_writing(self) -> None:
        """The gateway is slow."""
        self._link.pause_writing()

    def resume_writing(self) -> None:
        """The gateway has caught up."""
        self._link.resume_writing()

    # -- the transport of the link ------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send."""
        if data and not self._tcp.is_closing():
            self._ssl.write(data)
            self._send()

    def pause_reading(self) -> None:
        """Receive nothing more for now. What was received is still passed on: one read at most."""
        self._tcp.pause_reading()

    def resume_reading(self) -> None:
        """Receive again."""
        self._tcp.resume_reading()

    def abort(self) -> None:
        """Close at once."""
        self._tcp.abort()

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._tcp.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As the TCP transport says."""
        return self._tcp.get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        """Encrypted bytes that wait."""
        return self._tcp.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """How many encrypted bytes may wait."""
        self._tcp.set_write_buffer_limits(high, low)

    # -- the inside ---------------------------------------------------------------------------

    def _shake_hands(self) -> None:
        try:
            self._ssl.do_handshake()
        except ssl.SSLWantReadError:
            self._send()
        except ssl.SSLError as error:
            self._send()  # the alert that says what is wrong
            self._fail(error)
        else:
            self._send()
            self._established = True
            self._link.connection_made(self)
            if not self._ready.done():
                self._ready.set_result(None)

    def _read(self) -> None:
        view = self._shared.view
        while not self._tcp.is_closing():
            try:
                size = cast("int", self._ssl.read(len(view), view))
            except ssl.SSLWantReadError:
                return
            except ssl.SSLZeroReturnError:
                size = 0
            except ssl.SSLError as error:
                self._fail(error)
                return
            if not size:
                self._tcp.abort()
                return
            self._link.buffer_updated(size)

    def _send(self) -> None:
        if self._outgoing.pending:
            self._tcp.write(self._outgoing.read())

    def _fail(self, error: OSError) -> None:
        self._why = error
        self._tcp.abort()

"""Connections to the gateway: made, kept for a while, dropped."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import TYPE_CHECKING

from exporter.tap.proxy.limits import KEPT_SECONDS, MAX_KEPT
from exporter.tap.proxy.link import Link
from exporter.tap.proxy.target import Address, is_address
from exporter.tap.proxy.tls import Tls, trusting

if TYPE_CHECKING:
    from exporter.tap.proxy.shared import Shared


_EYEBALLS = 0.25
"""Seconds until the next address of the gateway is tried beside the first (RFC 8305 §8)."""


class Pool:
    """Of one gateway. The one used last is taken first, so that the others may grow old."""

    def __init__(self, address: Address, shared: Shared) -> None:
        self.address = address
        self._shared = shared
        self._tls = trusting() if address.tls else None
        self._idle: deque[Link] = deque()
        self._retired = False
        # One address has no other to try, and trying takes 8 KiB of each connection meanwhile.
        self._eyeballs = None if is_address(address.host) else _EYEBALLS

    def take(self) -> Link | None:
        """A connection that is open and idle, if there is one."""
        while self._idle:
            link = self._idle.pop()
            if link.fresh:
                return link
            link.abort()
        return None

    def give(self, link: Link) -> None:
        """Keep a connection whose response is complete."""
        link.leave()
        if self._retired or len(self._idle) >= MAX_KEPT:
            link.abort()
            return
        link.idle_since = self._shared.now
        self._idle.append(link)

    def forget(self, link: Link) -> None:
        """The connection is gone."""
        if link in self._idle:
            self._idle.remove(link)

    def drop_old(self, now: float) -> None:
        """Close what has been idle for too long."""
        while self._idle and now - self._idle[0].idle_since >= KEPT_SECONDS:
            self._idle.popleft().abort()

    def retire(self) -> None:
        """Close what is idle, and keep nothing from now on."""
        self._retired = True
        while self._idle:
            self._idle.pop().abort()

    async def connect(self) -> Link:
        """A new connection. Raises OSError."""
        loop = asyncio.get_running_loop()
        link = Link(self._shared)
        tls, host = self._tls, self.address.host
        ready = loop.create_future()

        def protocol() -> asyncio.BaseProtocol:
            return link if tls is None else Tls(tls, host, link, self._shared, ready)

        transport, _ = await loop.create_connection(
            protocol, host, self.address.port, happy_eyeballs_delay=self._eyeballs
        )
        if tls is not None:
            try:
                await ready
            except BaseException:
                transport.abort()
                raise
        return link


def why_not(error: OSError) -> str:
    """Why there is no connection, and what to check; never the gateway's own words."""
    if isinstance(error, ssl.SSLError):
        return "TLS with the gateway failed: check the certificate, SSL_CERT_FILE and the clock"
    if isinstance(error, ConnectionRefusedError):
        return "the gateway refused the connection: check base_url and its port"
    return "no connection to the gateway: check base_url, DNS and the network"

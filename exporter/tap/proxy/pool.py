"""Connections to the gateway: made, kept for a while, dropped."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections import deque
from typing import TYPE_CHECKING

import certifi

from exporter.tap.proxy.limits import KEPT_SECONDS, MAX_KEPT
from exporter.tap.proxy.link import Link
from exporter.tap.proxy.target import Address

if TYPE_CHECKING:
    from exporter.tap.proxy.shared import Shared


class Pool:
    """Of one gateway. The one used last is taken first, so that the others may grow old."""

    def __init__(self, address: Address, shared: Shared) -> None:
        self.address = address
        self._shared = shared
        self._tls = trusting() if address.tls else None
        self._idle: deque[Link] = deque()
        self._retired = False

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
        address = self.address
        _, link = await asyncio.get_running_loop().create_connection(
            lambda: Link(self._shared),
            address.host,
            address.port,
            ssl=self._tls,
            server_hostname=address.host if self._tls else None,
            happy_eyeballs_delay=0.25,
        )
        return link


def trusting() -> ssl.SSLContext:
    """Whom the poller's client trusts as well: `SSL_CERT_FILE`, `SSL_CERT_DIR`, or certifi."""
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if file or folder:
        context = ssl.create_default_context(cafile=file or None, capath=None if file else folder)
    else:
        context = ssl.create_default_context(cafile=certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context


def why_not(error: OSError) -> str:
    """Why there is no connection, and what to check; never the gateway's own words."""
    if isinstance(error, ssl.SSLError):
        return "TLS with the gateway failed: check the certificate, SSL_CERT_FILE and the clock"
    if isinstance(error, ConnectionRefusedError):
        return "the gateway refused the connection: check base_url and its port"
    return "no connection to the gateway: check base_url, DNS and the network"

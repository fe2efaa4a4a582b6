"""Tells the exporter what a response of the gateway said, from inside a Python application.

Needs Python 3.9 and its standard library, nothing of the exporter: it may be copied::

    httpx.Client(event_hooks={"response": [QuotaTap("127.0.0.1:8789")]})
    httpx.AsyncClient(event_hooks={"response": [AsyncQuotaTap("127.0.0.1:8789")]})

Each response becomes one small datagram: its status, its time, the five quota headers, each as the
number that it is or as `?`, and the API key in its masked form. Bodies are not looked at.
"""

from __future__ import annotations

import json
import re
import socket
import time
import weakref
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit


def _spellings(*names: str) -> dict[str | bytes, str]:
    """Header names by themselves and by their bytes: httpx gives bytes much faster than text."""
    return {spelling: name for name in names for spelling in (name, name.encode())}


_AUTH = _spellings("x-api-key", "authorization", "x-goog-api-key")
_QUOTA = _spellings(
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-quota-remaining-credits",
    "x-org-quota-remaining-credits",
)
# Whatever else such a header holds stays here, so that a datagram has a bounded size.
_is_number = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,30})?").fullmatch


def masked(key: str) -> str:
    """The gateway's masked form of a key: `sk-byts-…9f3c`.

    Of a key in another spelling the last four characters; of one shorter than 20 none.
    """
    prefix = "sk-byts-" if key.startswith("sk-byts-") else ""
    return f"{prefix}…{key[-4:] if len(key) >= 20 else ''}"


class _Reporter:
    """Sends datagrams to `address` (`HOST:PORT`), which is looked up once, here.

    Raises ValueError for an address that is none. After that nothing raises or blocks, whether
    the host is found and listens or not: `failed` counts the responses that are known to have
    been lost. Threads and forked processes may share it. `clock` gives Unix seconds.
    """

    _socket: socket.socket | None = None

    def __init__(self, address: str, clock: Callable[[], float] = time.time) -> None:
        self.failed = 0
        self._clock = clock
        host, _, port = address.rpartition(":")
        if not host or not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) < 65536:
            raise ValueError(f"{address!r} is not HOST:PORT, for example 127.0.0.1:8789")
        try:
            found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError):
            found = []
        # A name such as localhost has both kinds, and the exporter listens on 127.0.0.1.
        self._peers = sorted(found, key=lambda one: one[0] != socket.AF_INET)

    def _report(self, response: Any) -> None:
        try:
            datagram = _datagram(response, self._clock())
            try:
                (self._socket or self._open()).send(datagram)
            except ConnectionRefusedError:
                # It was the datagram before this one that nobody took; this one is not sent yet.
                self.failed += 1
                (self._socket or self._open()).send(datagram)
        except Exception:
            self.failed += 1

    def _open(self) -> socket.socket:
        family, _, _, _, peer = self._peers[0]
        opened = socket.socket(family, socket.SOCK_DGRAM)
        try:
            opened.setblocking(False)
            opened.connect(peer)
        except OSError:
            opened.close()
            raise
        # Without a lock, which a fork could leave locked: the first of several threads wins.
        kept: socket.socket = self.__dict__.setdefault("_socket", opened)
        if kept is opened:
            # An application that makes a hook has no moment at which to close it.
            weakref.finalize(self, opened.close)
        else:
            opened.close()
        return kept


class QuotaTap(_Reporter):
    """A response hook for `httpx.Client`: of a response it reads status, headers and request."""

    def __call__(self, response: Any) -> None:
        self._report(response)


class AsyncQuotaTap(_Reporter):
    """A response hook for `httpx.AsyncClient`, which gives way to no other task."""

    async def __call__(self, response: Any) -> None:
        self._report(response)


def _datagram(response: Any, now: float) -> bytes:
    """Raises ValueError for a response that the exporter could not use."""
    status = int(response.status_code)
    key = _key(response.request)
    if not key or not 100 <= status <= 599:
        raise ValueError("no key, or no status")
    said = _chosen(response.headers, _QUOTA).items()
    numbers = [(name, value if _is_number(value) else "?") for name, value in said]
    quota = "".join([f',"{name}":"{number}"' for name, number in numbers])
    head = f'"key":{json.dumps(masked(key))},"status":{status},"at":{now:.3f},"source":"hook"'
    return f"{{{head}{quota}}}".encode()


def _key(request: Any) -> str:
    """The key, from where the gateway looks for it first; "" where there is none."""
    auth = _chosen(request.headers, _AUTH)
    scheme, _, token = auth.get("authorization", "").partition(" ")
    bearer = token if scheme.lower() == "bearer" else ""
    for sent in (auth.get("x-api-key", ""), bearer, auth.get("x-goog-api-key", "")):
        if sent.strip():
            return sent.strip()
    query = urlsplit(str(getattr(request, "url", ""))).query
    return parse_qs(query).get("key", [""])[0].strip()


def _chosen(headers: Any, names: dict[str | bytes, str]) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for spelling, value in getattr(headers, "raw", None) or headers.items():
        name = names.get(spelling.lower())
        if name is not None:
            text = value if isinstance(value, str) else value.decode("utf-8", "replace")
            # Of two quota headers that differ, neither can be believed.
            differs = names is _QUOTA and chosen.get(name, text) != text
            chosen[name] = "?" if differs else text
    return chosen

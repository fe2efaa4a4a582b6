"""What a hook is tested between: a socket that hears it, and responses as httpx makes them."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any, Self

import httpx
import pytest

from exporter.tap.hook import QuotaTap

NOW = 1_779_372_491.25
"""2026-05-21T14:08:11.250Z."""

KEY = "sk-byts-a-marked-key-0123456789-9f3c"
MASKED = "sk-byts-…9f3c"
LARGEST = 2048
"""Bytes of a datagram that the exporter reads."""

QUOTA = {
    "x-ratelimit-limit": "50.00",
    "x-ratelimit-remaining": "42.40",
    "x-ratelimit-reset": "1779390491",
    "x-quota-remaining-credits": "192.40",
    "x-org-quota-remaining-credits": "492.40",
}


class Ear:
    """A UDP socket on loopback. What was sent is there to be heard when `send` has returned."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.bind((host, port))
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def raw(self) -> list[bytes]:
        """The datagrams since the last time, in order."""
        found = []
        while True:
            try:
                found.append(self._socket.recv(65_536))
            except BlockingIOError:
                return found

    def heard(self) -> list[dict[str, Any]]:
        """The same, read."""
        return [json.loads(datagram) for datagram in self.raw()]


@pytest.fixture
def ear() -> Iterator[Ear]:
    with Ear() as opened:
        yield opened


@pytest.fixture
def tap(ear: Ear) -> QuotaTap:
    return QuotaTap(ear.address, clock=lambda: NOW)


def response(
    status: int = 200,
    quota: Mapping[str, str] = QUOTA,
    auth: Mapping[str, str] | None = None,
) -> httpx.Response:
    """A response to a request with the key, or with the headers `auth`."""
    sent = {"x-api-key": KEY} if auth is None else auth
    request = httpx.Request("POST", "http://gateway/v1/messages", headers=sent)
    return httpx.Response(status, headers=quota, request=request)


def alike(status: object, headers: object, auth: object) -> SimpleNamespace:
    """Something that has of a response just what the hook reads."""
    return SimpleNamespace(
        status_code=status, headers=headers, request=SimpleNamespace(headers=auth)
    )

"""The little of ASGI that the simulator needs. The only place that sees untyped messages."""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

JSON = "application/json"
HTML = "text/html; charset=utf-8"
EVENTS = "text/event-stream; charset=utf-8"

_GZIP_FROM = 1024


@dataclass
class Request:
    """One request. Header names are in lower case; the last of a repeated one counts."""

    method: str
    path: str
    query: bytes
    headers: dict[str, str]
    receive: Receive

    @classmethod
    def of(cls, scope: Scope, receive: Receive) -> Request:
        """Read a scope of type `http`."""
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        return cls(scope["method"], scope["path"], scope["query_string"], headers, receive)

    async def body(self, limit: int = 1 << 20) -> bytes:
        """The whole body. Raises ValueError past `limit` bytes or when the client leaves."""
        body, more = bytearray(), True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ValueError("the client left")
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > limit:
                raise ValueError("body too large")
        return bytes(body)

    async def gone(self) -> None:
        """Return when the client has given up."""
        while (await self.receive())["type"] != "http.disconnect":
            pass


@dataclass
class Response:
    """One answer."""

    status: int
    body: bytes
    headers: list[tuple[str, str]] = field(default_factory=list)
    content_type: str = JSON

    def compress(self) -> None:
        """Compress the body if that is worth it."""
        if len(self.body) >= _GZIP_FROM:
            self.body = gzip.compress(self.body, compresslevel=1, mtime=0)
            self.headers.append(("content-encoding", "gzip"))

    async def start(self, send: Send, length: int | None) -> None:
        """Send status and headers; `length` None announces none."""
        headers = [("content-type", self.content_type), *self.headers]
        if length is not None:
            headers.append(("content-length", str(length)))
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers]
        await send({"type": "http.response.start", "status": self.status, "headers": encoded})

    async def send(self, send: Send) -> None:
        """Send all of it."""
        await self.start(send, len(self.body))
        await part(send, self.body, more=False)


async def part(send: Send, body: bytes, *, more: bool) -> None:
    """Send a piece of a body."""
    await send({"type": "http.response.body", "body": body, "more_body": more})

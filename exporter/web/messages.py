"""Requests and answers, as far as this server needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qs

import msgspec

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveCallable, HTTPScope

HTML = "text/html; charset=utf-8"
JSON = "application/json"
TEXT = "text/plain; charset=utf-8"


class Request(msgspec.Struct, frozen=True):
    """What an answer may depend on.

    Names of `headers` are in lower case; the last of a repeated one counts.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    receive: ASGIReceiveCallable

    @classmethod
    def of(cls, scope: HTTPScope, receive: ASGIReceiveCallable) -> Self:
        """Read the head of a request, nothing of its body."""
        query = scope["query_string"].decode("ascii", "replace")
        fields = parse_qs(query, errors="replace", max_num_fields=None)
        return cls(
            method=scope["method"],
            path=scope["path"],
            query={name: values[-1] for name, values in fields.items()},
            headers={
                name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
            },
            receive=receive,
        )

    @property
    def has_body(self) -> bool:
        """Whether a body was announced."""
        return "transfer-encoding" in self.headers or self.headers.get("content-length", "0") != "0"

    async def body(self, limit: int) -> bytes | None:
        """The body, cut soon after it has grown beyond `limit` bytes, whatever was announced.

        None where the client left before its end.
        """
        body, more = bytearray(), True
        while more and len(body) <= limit:
            message = await self.receive()
            if message["type"] != "http.request":
                return None
            body += message["body"]
            more = message["more_body"]
        return bytes(body)


class Response(msgspec.Struct, frozen=True):
    """One answer; `headers` beside those that every answer carries."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


NOT_FOUND = Response(404, TEXT, b"not found: try /, /metrics, /livez or /readyz\n")


def only(*methods: str) -> Response:
    """The answer to every method but these."""
    said = f"only {' and '.join(methods)}\n".encode()
    return Response(405, TEXT, said, ((b"allow", ", ".join(methods).encode()),))

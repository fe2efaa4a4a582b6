"""Requests and answers, as far as this server needs them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Self
from urllib.parse import parse_qs, unquote

import msgspec

HTML = "text/html; charset=utf-8"
JSON = "application/json"
TEXT = "text/plain; charset=utf-8"

Read = Callable[[], Awaitable[bytes | None]]
"""Reads the next piece of a body: b"" at its end, None where it broke off."""


class Request(msgspec.Struct, frozen=True):
    """What an answer may depend on.

    Names of `headers` are in lower case; the last of a repeated one counts.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    read: Read

    @classmethod
    def of(
        cls, method: str, target: bytes, headers: Iterable[tuple[bytes, bytes]], read: Read
    ) -> Self:
        """Read the head of a request, nothing of its body. `target` is path and query."""
        path, _, query = target.decode("ascii", "replace").partition("?")
        fields = parse_qs(query, errors="replace", max_num_fields=None)
        return cls(
            method=method,
            path=unquote(path),
            query={name: values[-1] for name, values in fields.items()},
            headers={name.decode("latin-1"): value.decode("latin-1") for name, value in headers},
            read=read,
        )

    @property
    def has_body(self) -> bool:
        """Whether a body was announced."""
        return "transfer-encoding" in self.headers or self.headers.get("content-length", "0") != "0"

    async def body(self, limit: int) -> bytes | None:
        """The body, cut soon after it has grown beyond `limit` bytes, whatever was announced.

        None where it broke off before its end.
        """
        body = bytearray()
        while len(body) <= limit:
            piece = await self.read()
            if piece is None:
                return None
            if not piece:
                break
            body += piece
        return bytes(body)


class Response(msgspec.Struct, frozen=True):
    """One answer; from `App.answer`, `headers` are those beside what every answer carries."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


NOT_FOUND = Response(404, TEXT, b"not found: try /, /metrics, /livez or /readyz\n")


def only(*methods: str) -> Response:
    """The answer to every method but these."""
    said = f"only {' and '.join(methods)}\n".encode()
    return Response(405, TEXT, said, ((b"allow", ", ".join(methods).encode()),))

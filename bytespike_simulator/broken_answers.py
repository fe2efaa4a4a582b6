"""Turns a right answer into what a fault makes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from bytespike_simulator.faults import Fault
from bytespike_simulator.refusals import KINDS, Refusal

JSON = "application/json"

_CHUNK = 64 << 10
PAGE = "<!DOCTYPE html><html><body><h1>Something is not right here</h1></body></html>"


def broken(fault: Fault, right: Response, envelope: dict[str, str]) -> ASGIApp:
    """What the client gets instead of `right`."""
    later = {"retry-after": fault.retry_after} if fault.retry_after else {}
    match fault.kind:
        case "status":
            kind = KINDS.get(fault.status, "api_error")
            body = Refusal(fault.status, kind, "this failure was asked for").body()
            return Response(body, fault.status, envelope | later, JSON)
        case "proxy" | "html":
            return HTMLResponse(PAGE, 200 if fault.kind == "html" else fault.status, later)
        case "empty" | "redirect":
            away = {"location": fault.location} if fault.kind == "redirect" else {}
            return Response(b"", fault.status, away | later)
        case "truncated":
            half = {"content-type": right.headers["content-type"]}
            return Response(right.body[: len(right.body) // 2], 200, envelope | half)
        case "huge":
            return StreamingResponse(_endless(fault.size), 200, envelope, JSON)
    return _Unfinished(fault, right)


async def _endless(size: int) -> AsyncIterator[bytes]:
    yield b'{"items":['
    for sent in range(0, size, _CHUNK):
        yield b" " * min(_CHUNK, size - sent)


class _Unfinished:
    """An answer without its end: the server breaks the connection of one that is left so."""

    def __init__(self, fault: Fault, right: Response) -> None:
        self._silent = fault.kind == "hang"
        self._ends = fault.kind == "close"
        self._right = right

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._silent:
            body = self._right.body
            headers = [
                *(pair for pair in self._right.raw_headers if pair[0] != b"content-length"),
                (b"content-length", str(len(body)).encode()),
            ]
            status = self._right.status_code
            await send({"type": "http.response.start", "status": status, "headers": headers})
            half = body[: len(body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
        if not self._ends:
            await left(receive)


async def left(receive: Receive) -> None:
    """Return when the client has given up."""
    while (await receive())["type"] != "http.disconnect":
        pass

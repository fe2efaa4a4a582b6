"""Faults on the wire: turns a right answer into what a fault makes of it."""

from __future__ import annotations

import gzip

from bytespike_simulator.asgi import HTML, Request, Response, Send, part
from bytespike_simulator.faults import Fault
from bytespike_simulator.wire import Refusal

_CHUNK = 64 << 10
_PAGE = b"<!DOCTYPE html><html><body><h1>Something is not right here</h1></body></html>"
_KINDS = {
    401: "authentication_error",
    402: "insufficient_balance",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


def answer(fault: Fault, right: Response, envelope: list[tuple[str, str]]) -> Response:
    """What the client is told instead of `right`, for the faults that answer in full."""
    later = [("retry-after", fault.retry_after)] if fault.retry_after else []
    match fault.kind:
        case "status":
            kind = _KINDS.get(fault.status, "api_error")
            body = Refusal(fault.status, kind, "this failure was asked for").body(False)
            return Response(fault.status, body, [*envelope, *later])
        case "proxy" | "html":
            status = 200 if fault.kind == "html" else fault.status
            return Response(status, _PAGE, later, HTML)
        case "empty":
            return Response(fault.status, b"", later)
        case "redirect":
            return Response(fault.status, b"", [("location", fault.location)])
        case "body":
            return Response(fault.status, fault.body.encode(), [*envelope, *later])
        case "truncated":
            half = right.body[: len(right.body) // 2]
            return Response(200, half, right.headers, right.content_type)
        case "bomb":
            body = gzip.compress(b'{"items":[' + b" " * fault.size, mtime=0)
            return Response(200, body, [*envelope, ("content-encoding", "gzip")])
    return right


async def misbehave(fault: Fault, right: Response, request: Request, send: Send) -> None:
    """Carry out the faults that never finish an answer."""
    if fault.kind == "huge":
        await _huge(fault.size, right, send)
    elif fault.kind == "hang":
        await request.gone()
    else:
        # The server sees an answer without its end and breaks the connection.
        await right.start(send, len(right.body))
        await part(send, right.body[: len(right.body) // 2], more=True)
        if fault.kind == "stall":
            await request.gone()


async def _huge(size: int, right: Response, send: Send) -> None:
    await right.start(send, None)
    await part(send, b'{"items":[', more=True)
    for sent in range(0, size, _CHUNK):
        await part(send, b" " * min(_CHUNK, size - sent), more=True)
    await part(send, b"", more=False)

"""The gateway as an ASGI application, for a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import httpx

from tests.second_gateway.gateway.wire import SECONDS

Message = MutableMapping[str, Any]
Application = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]


def as_asgi(gateway: Callable[[httpx.Request], httpx.Response]) -> Application:
    """Answers take as long as they say. No request of this gateway has a body that matters."""

    async def application(
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http":
            return
        query = scope["query_string"].decode()
        request = httpx.Request(
            scope["method"],
            f"http://gateway{scope['path']}{'?' if query else ''}{query}",
            headers=scope["headers"],
        )
        response = gateway(request)
        await asyncio.sleep(response.extensions[SECONDS])
        await send(
            {
                "type": "http.response.start",
                "status": response.status_code,
                "headers": response.headers.raw,
            }
        )
        await send({"type": "http.response.body", "body": response.content})

    return application

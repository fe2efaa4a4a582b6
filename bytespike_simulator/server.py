"""Serving the simulator on a socket, inside the running event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

_KEEP_ALIVE = 3600

_log = logging.getLogger(__name__)
# Answers that faults leave without their end are no news.
_log.addFilter(lambda record: "returned without completing" not in record.getMessage())


def _quiet(app: ASGIApp) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        http=H11Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE,
    )
    config.load()
    return config


@contextlib.asynccontextmanager
async def running(simulator: ASGIApp, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve while the block runs; gives the base URL. Port 0 takes a free one.

    What is open when the block ends is cut off. Raises OSError if the address is taken.
    uvicorn's protocol is used without uvicorn's `Server`, which takes signals for itself, ends
    the process when the address is taken, and waits for answers that never end.
    """
    config, state = _quiet(simulator), ServerState()

    def protocol() -> H11Protocol:
        made = H11Protocol(config, state, app_state={})
        made.logger = _log
        return made

    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, host, port, backlog=256)
    try:
        port = server.sockets[0].getsockname()[1]
        yield f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    finally:
        # `close` alone loses, without closing it, whoever was accepted and has no protocol yet.
        for listening in server.sockets:
            loop.remove_reader(listening.fileno())
        for _ in range(3):
            await asyncio.sleep(0)
        server.close()
        for connection in tuple(state.connections):
            connection.transport.abort()
        while state.tasks:
            await asyncio.wait(state.tasks)

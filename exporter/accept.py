"""The end of accepting connections, for everything here that listens on TCP."""

from __future__ import annotations

import asyncio

_HANDING_OVER = 3
"""Rounds of the event loop that a connection takes from its acceptance to its protocol."""


async def close(server: asyncio.Server) -> None:
    """Accept nothing more. Whoever was accepted has reached the server's protocol afterwards.

    `Server.close` alone makes asyncio lose the sockets that are on their way: nobody closes them.
    """
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        loop.remove_reader(listening.fileno())
    try:
        for _ in range(_HANDING_OVER):
            await asyncio.sleep(0)
    finally:
        server.close()

"""Serving the simulator on a socket, inside the running event loop: ASGI over h11."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import unquote

import h11

from exporter.simulator.app import Simulator
from exporter.simulator.asgi import Message, Scope

_PIECE = 65_536


class _Connection:
    """One connection, request after request. An answer that is left without its end breaks it."""

    def __init__(
        self, simulator: Simulator, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._simulator = simulator
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER)

    async def serve(self) -> None:
        """Serve until either side has had enough."""
        with contextlib.suppress(OSError, h11.ProtocolError):
            try:
                while isinstance(request := await self._next(), h11.Request):
                    await self._simulator(_scope(request), self._receive, self._send)
                    while self._http.their_state is h11.SEND_BODY:
                        await self._next()
                    if self._http.states != {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
                        break
                    self._http.start_next_cycle()
            finally:
                self._writer.close()

    async def _next(self) -> h11.Event | type[h11.PAUSED]:
        """What the client sends next; `PAUSED` where it is silent until it is answered."""
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(_PIECE))
        assert event is h11.PAUSED or isinstance(event, h11.Event)
        return event

    async def _receive(self) -> Message:
        event = await self._next()
        while event is h11.PAUSED:  # its next request is there already
            if not await self._reader.read(_PIECE):
                break
        if isinstance(event, h11.Data):
            return {"type": "http.request", "body": bytes(event.data), "more_body": True}
        if isinstance(event, h11.EndOfMessage):
            return {"type": "http.request", "body": b"", "more_body": False}
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        events: list[h11.Event]
        if message["type"] == "http.response.start":
            events = [h11.Response(status_code=message["status"], headers=message["headers"])]
        else:
            events = [h11.Data(data=message["body"])]
            if not message["more_body"]:
                events.append(h11.EndOfMessage())
        self._writer.write(b"".join(self._http.send(event) or b"" for event in events))
        await self._writer.drain()


def _scope(request: h11.Request) -> Scope:
    path, _, query = request.target.partition(b"?")
    return {
        "type": "http",
        "method": request.method.decode("ascii"),
        "path": unquote(path.decode("ascii")),
        "query_string": query,
        "headers": list(request.headers),
    }


@contextlib.asynccontextmanager
async def running(
    simulator: Simulator, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[str]:
    """Serve while the block runs; gives the base URL. Port 0 takes a free one.

    What is open when the block ends is cut off. Raises OSError if the address is taken.
    """
    open_: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_Connection(simulator, reader, writer).serve())
        open_.add(task)
        task.add_done_callback(open_.discard)

    server = await asyncio.start_server(connected, host, port, backlog=256)
    try:
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in open_:
            task.cancel()
        await asyncio.gather(*open_, return_exceptions=True)

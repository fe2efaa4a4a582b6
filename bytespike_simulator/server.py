"""Serving the simulator on a socket, inside the running event loop: ASGI over h11."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import unquote

import h11

from bytespike_simulator.app import Simulator
from bytespike_simulator.asgi import Message, Scope
from exporter import accept

_PIECE = 65_536


class _Incoming(asyncio.StreamReader):
    """What a client sends. `ended` is set when it has left, or says that it will send no more."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = asyncio.Event()

    def feed_eof(self) -> None:
        """Take note of the end."""
        super().feed_eof()
        self.ended.set()

    def set_exception(self, exc: Exception) -> None:
        """Take note that the connection broke."""
        super().set_exception(exc)
        self.ended.set()


class _Connection:
    """One connection, request after request. An answer that is left without its end breaks it."""

    def __init__(
        self, simulator: Simulator, incoming: _Incoming, writer: asyncio.StreamWriter
    ) -> None:
        self._simulator = simulator
        self._incoming = incoming
        self._writer = writer
        self._http = h11.Connection(h11.SERVER)
        self._bodiless = False
        self.task = asyncio.create_task(self._serve())

    def cancel(self) -> None:
        """Close now, and leave the answer that is under way."""
        self._writer.transport.abort()
        self.task.cancel()

    async def _serve(self) -> None:
        """Serve until either side has had enough."""
        with contextlib.suppress(OSError, h11.ProtocolError):
            try:
                while isinstance(request := await self._next(), h11.Request):
                    self._bodiless = request.method == b"HEAD"
                    await self._simulator(_scope(request), self._receive, self._send)
                    while self._http.their_state is h11.SEND_BODY:
                        await self._next()
                    if self._http.states != {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
                        break
                    self._http.start_next_cycle()
            finally:
                self._writer.close()

    async def _next(self) -> h11.Event | type[h11.PAUSED]:
        """What the client sends next; `PAUSED` where that is the request after this one."""
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._incoming.read(_PIECE))
        assert event is h11.PAUSED or isinstance(event, h11.Event)
        return event

    async def _receive(self) -> Message:
        """The next piece of the body. After its end nothing is read, so as to keep what follows."""
        if self._http.their_state is h11.SEND_BODY:
            if self._http.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                self._writer.write(self._http.send(go_on) or b"")
            event = await self._next()
            if isinstance(event, h11.Data):
                return {"type": "http.request", "body": bytes(event.data), "more_body": True}
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._incoming.ended.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        events: list[h11.Event]
        if message["type"] == "http.response.start":
            events = [h11.Response(status_code=message["status"], headers=message["headers"])]
        else:
            events = [h11.Data(data=b"" if self._bodiless else message["body"])]
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
    open_: set[_Connection] = set()

    def protocol() -> asyncio.StreamReaderProtocol:
        incoming = _Incoming()

        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = _Connection(simulator, incoming, writer)
            open_.add(connection)
            connection.task.add_done_callback(lambda _: open_.discard(connection))

        return asyncio.StreamReaderProtocol(incoming, connected)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, host, port, backlog=256)
    try:
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{server.sockets[0].getsockname()[1]}"
    finally:
        await accept.close(server)
        ending = [connection.task for connection in open_]
        for connection in tuple(open_):
            connection.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

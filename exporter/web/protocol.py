"""HTTP/1.1 on one connection: request after request, each bounded in size and time."""

from __future__ import annotations

import asyncio
import contextlib
from http import HTTPStatus

import h11
import msgspec

from exporter.web.app import App
from exporter.web.messages import TEXT, Request, Response

MAX_HEADER_BYTES = 16_384

_REFUSAL = b"this is not HTTP/1.1\n"
_REFUSED = Response(
    400,
    TEXT,
    _REFUSAL,
    ((b"content-type", TEXT.encode()), (b"content-length", str(len(_REFUSAL)).encode())),
)


class Bounds(msgspec.Struct, frozen=True):
    """What clients may take.

    `request_seconds`: for one request, from the end of the answer before it to the last byte of
    its own, so silence counts. `connections`: past so many, the one that has waited longest makes
    room, so that probes always get through.
    """

    request_seconds: float = 10.0
    connections: int = 64


class Connection:
    """One connection. It is cut off when a request, answer included, takes too long."""

    def __init__(
        self,
        app: App,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        seconds: float,
    ) -> None:
        """Begin to serve, inside the running event loop. `seconds` for one request."""
        self._app = app
        self._reader = reader
        self._writer = writer
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEADER_BYTES)
        self._answering = False
        self._last = False
        self.aborted = False
        self.waiting_since = self._loop.time()
        self.task = asyncio.create_task(self._serve())

    def finish(self) -> None:
        """Close, after the answer that is under way if there is one."""
        self._last = True
        if not self._answering:
            self._writer.close()

    def abort(self) -> None:
        """Close now, without waiting for the peer to read.

        The answer that is under way, if there is one, learns of it when it reads or is sent.
        """
        self.aborted = True
        self._writer.transport.abort()

    def cancel(self) -> None:
        """Close now, and leave the answer that is under way."""
        self.abort()
        self.task.cancel()

    async def _serve(self) -> None:
        # What a client does wrong, or too slowly, is no business of this process's log.
        with contextlib.suppress(OSError, h11.ProtocolError):
            try:
                while not self._last:
                    await self._serve_one()
            finally:
                self._writer.transport.abort()

    async def _serve_one(self) -> None:
        deadline = self._loop.call_later(self._seconds, self.abort)
        try:
            try:
                request = await self._next_request()
            except h11.RemoteProtocolError:
                request = None
                await self._send(_REFUSED, "GET")
            if request is None:
                self._last = True
            else:
                await self._answer(request)
            if self._last:
                await self._close()
        finally:
            deadline.cancel()

    async def _next_request(self) -> h11.Request | None:
        """What is asked next; None where the client has left."""
        event = await self._next_event()
        return event if isinstance(event, h11.Request) else None

    async def _next_event(self) -> h11.Event | type[h11.PAUSED]:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(MAX_HEADER_BYTES))
        assert event is h11.PAUSED or isinstance(event, h11.Event)
        return event

    async def _answer(self, head: h11.Request) -> None:
        self._answering = True
        method = head.method.decode("ascii")
        request = Request.of(method, head.target, head.headers, self._read_body)
        await self._send(await self._app.serve(request), method)
        self._answering = False
        if self._http.our_state is h11.MUST_CLOSE:
            self._last = True
            return
        self._http.next_event()  # the end of the request: one with a body is the last
        self._http.start_next_cycle()
        self.waiting_since = self._loop.time()
        await asyncio.sleep(0)  # others have their turn between requests that came together

    async def _read_body(self) -> bytes | None:
        """The next piece of the body: b"" at its end, None where it broke off."""
        if self._http.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
            self._writer.write(self._http.send(go_on) or b"")
        try:
            event = await self._next_event()
        except (OSError, h11.RemoteProtocolError):
            return None
        if isinstance(event, h11.Data):
            return bytes(event.data)
        return b"" if isinstance(event, h11.EndOfMessage) else None

    async def _send(self, response: Response, method: str) -> None:
        head = h11.Response(
            status_code=response.status,
            headers=list(response.headers),
            reason=HTTPStatus(response.status).phrase.encode("ascii"),
        )
        body = h11.Data(data=b"" if method == "HEAD" else response.body)
        parts = [self._http.send(event) or b"" for event in (head, body, h11.EndOfMessage())]
        self._writer.write(b"".join(parts))
        await self._writer.drain()

    async def _close(self) -> None:
        """Close when all was sent, and once a client that is still sending has read its answer.

        To close before it stops would reset the connection, and the answer might be lost by that.
        """
        if self._http.their_state in {h11.SEND_BODY, h11.ERROR}:
            self._writer.write_eof()
            while await self._reader.read(MAX_HEADER_BYTES):
                pass
        self._writer.close()
        await self._writer.wait_closed()

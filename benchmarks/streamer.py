"""A gateway that costs next to nothing: `python -m benchmarks.streamer [CERTIFICATE KEY]`.

It answers polls and small calls, and streams events that each carry when they were sent.
Prints its port.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import time

ENVELOPE = (
    b"x-ratelimit-limit: 20.00\r\nx-ratelimit-remaining: 12.50\r\n"
    b"x-ratelimit-reset: 1779372000\r\nx-quota-remaining-credits: 192.40\r\n"
)
STREAM = b"/stream/"
"""Begins the path of a stream: `/stream/COUNT/MILLISECONDS` sends so many events, so far apart."""

_POLLED = {
    b"/api/v1/me/account": b'{"balance":{"available_usd":31.40},"allowed_models":[]}',
    b"/api/v1/me/usage": b'{"items":[],"total":0,"page":1,"page_size":200}',
    b"/api/v1/me/billing/transactions": b'{"items":[],"total":0,"page":1,"page_size":200}',
}
_BODY = b'{"id":"chatcmpl-1","object":"chat.completion","model":"gpt-5-4","choices":[]}'
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n%b"
_SMALL = _ANSWER % (ENVELOPE, len(_BODY), _BODY)
_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n%btransfer-encoding: chunked\r\n\r\n"
    % ENVELOPE
)


class Streamer(asyncio.Protocol):
    """One connection. Requests have no body and come in one piece."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a request."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._streaming: asyncio.Task[None] | None = None

    def data_received(self, data: bytes) -> None:
        """Answer it."""
        path = data.split(b" ", 2)[1]
        if path.startswith(STREAM):
            count, milliseconds = path.removeprefix(STREAM).split(b"/")
            stream = self._stream(int(count), int(milliseconds) / 1000)
            self._streaming = asyncio.get_running_loop().create_task(stream)
        elif (polled := _POLLED.get(path.partition(b"?")[0])) is not None:
            self._transport.write(_ANSWER % (ENVELOPE, len(polled), polled))
        else:
            self._transport.write(_SMALL)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop streaming."""
        if self._streaming is not None:
            self._streaming.cancel()

    async def _stream(self, count: int, pause: float) -> None:
        self._transport.write(_HEAD)
        for _ in range(count):
            event = b'data: {"model":"gpt-5-4","sent":%d}\n\n' % time.monotonic_ns()
            self._transport.write(b"%x\r\n%b\r\n" % (len(event), event))
            await asyncio.sleep(pause)
        self._transport.write(b"0\r\n\r\n")


async def serve(files: list[str]) -> None:
    """Until it is ended."""
    tls = None
    if files:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*files)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Streamer, "127.0.0.1", 0, ssl=tls, backlog=1000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1:]))

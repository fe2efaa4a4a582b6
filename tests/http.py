"""The HTTP receiver of all tests: it keeps what is posted to it and answers as told."""

from __future__ import annotations

import gzip
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple, Self


class Posted(NamedTuple):
    """One request: header names in lower case, the body decompressed."""

    path: str
    headers: dict[str, str]
    body: bytes
    client: object


@dataclass
class Reply:
    """What a receiver answers, after `delay` seconds."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/x-protobuf"
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0


class Receiver:
    """A server on loopback, in a thread of its own. `origin` is its URL without a path.

    It answers what `answer` gives, and hangs up where that is None.
    """

    def __init__(
        self,
        answer: Callable[[Posted], Reply | None] = lambda posted: Reply(),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.posted: list[Posted] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, answer))
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if tls is None else "https"
        self.origin = f"{scheme}://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(
    receiver: Receiver, answer: Callable[[Posted], Reply | None]
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers["content-length"]))
            if headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            receiver.posted.append(Posted(self.path, headers, body, self.client_address))
            reply = answer(receiver.posted[-1])
            if reply is None:
                self.close_connection = True
                return
            time.sleep(reply.delay)
            self.send_response(reply.status)
            length = {"Content-Length": str(len(reply.body))} if reply.status != 204 else {}
            for name, value in (
                {"Content-Type": reply.content_type} | length | reply.headers
            ).items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(ConnectionError):  # a client may not want all of it
                self.wfile.write(reply.body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler

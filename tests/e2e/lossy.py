"""A proxy that passes requests on and loses the answers: the receiver got what it is not told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

_PASSED_ON = ("content-type", "content-encoding")


class Lossy:
    """What the proxy still loses, and where it is."""

    def __init__(self, url: str) -> None:
        self.url = url
        """For `otlp.endpoint`."""
        self.left = 0
        """How many of the next answers are lost."""

    def loses(self) -> bool:
        """Whether the answer at hand is lost; counts it."""
        self.left -= 1
        return self.left >= 0


@contextmanager
def lossy(target: str) -> Iterator[Lossy]:
    """A proxy to `target`, a URL without a path. It loses nothing until `left` is set."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        proxy = Lossy(f"http://127.0.0.1:{server.server_port}")
        server.RequestHandlerClass = _handler(target, proxy)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()


def _handler(target: str, proxy: Lossy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            answer = httpx.post(
                target + self.path,
                content=self.rfile.read(int(self.headers["content-length"])),
                headers={name: self.headers[name] for name in _PASSED_ON if self.headers[name]},
                timeout=30,
                trust_env=False,
            )
            if proxy.loses():
                self.close_connection = True
                return
            self.send_response(answer.status_code)
            self.send_header("content-type", answer.headers["content-type"])
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler

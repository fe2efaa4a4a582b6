"""Servers on loopback, each a function that serves one connection."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

Serve = Callable[[socket.socket], None]


@contextmanager
def listening(serve: Serve) -> Iterator[int]:
    """A port on which each connection is served by a thread, until the end."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    connection.settimeout(5)
                    threading.Thread(target=one, args=(connection,), daemon=True).start()

        def one(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                serve(connection)

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)


def answering(answers: Mapping[str, object]) -> Serve:
    """A gateway that answers each path with this JSON, and any other with 404."""

    def serve(connection: socket.socket) -> None:
        request = connection.recv(65536).decode("latin-1")
        if not request.startswith("GET "):  # somebody who tries TLS
            return
        path = request.split(" ")[1].partition("?")[0]
        status = "200 OK" if path in answers else "404 Not Found"
        body = json.dumps(answers.get(path, {"error": {"type": "not_found_error"}})).encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    return serve

"""A gateway on real sockets that misbehaves by endpoint, in front of one that does not."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from bytespike_simulator.app import ENDPOINTS

Trick = Callable[["Front", socket.socket, str], None]
"""Answers one request whose head is given, on its connection, which is closed afterwards."""

_HOP = ("connection", "transfer-encoding", "content-length", "date", "host")


class Front:
    """Relays to `behind`, unless `tricks` has something for the endpoint. `asked` counts."""

    def __init__(self, behind: str) -> None:
        self._behind = urlsplit(behind).netloc
        self.tricks: dict[str, Trick] = {}
        self.asked: dict[str, int] = {}
        self.stopped = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0), backlog=128)

    @property
    def port(self) -> int:
        return int(self._server.getsockname()[1])

    @property
    def url(self) -> str:
        """For `gateway.base_url`."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Front:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                head = _head(connection)
                if not head:
                    return
                path = head.split()[1]
                endpoint = ENDPOINTS.get(path.partition("?")[0], "unknown")
                self.asked[endpoint] = self.asked.get(endpoint, 0) + 1
                trick = self.tricks.get(endpoint) or relay
                trick(self, connection, head)
        except OSError:
            return  # the client has left

    def ask(self, head: str) -> tuple[int, dict[str, str], bytes]:
        """What the gateway behind answers."""
        method, path, _ = head.split("\r\n", maxsplit=1)[0].split()
        pairs = (line.partition(": ") for line in head.split("\r\n")[1:] if line)
        headers = {name: value for name, _, value in pairs if name.lower() not in _HOP}
        client = http.client.HTTPConnection(self._behind, timeout=10)
        try:
            client.request(method, path, headers=headers | {"Accept-Encoding": "identity"})
            response = client.getresponse()
            told = {n.lower(): v for n, v in response.getheaders() if n.lower() not in _HOP}
            return response.status, told, response.read()
        finally:
            client.close()


def _head(connection: socket.socket) -> str:
    raw = b""
    while b"\r\n\r\n" not in raw:
        part = connection.recv(65536)
        if not part:
            return ""
        raw += part
    return raw.partition(b"\r\n\r\n")[0].decode("latin-1")


def answer(
    connection: socket.socket,
    status: str,
    headers: dict[str, str],
    body: bytes,
    promised: int | None = None,
) -> None:
    """Send one answer; `promised`: a Content-Length that is not the body's."""
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items())]
    lines += [f"Content-Length: {len(body) if promised is None else promised}"]
    lines += ["Connection: close", "", ""]
    connection.sendall("\r\n".join(lines).encode() + body)


def relay(front: Front, connection: socket.socket, head: str) -> None:
    status, headers, body = front.ask(head)
    answer(connection, f"{status} OK", headers, body)


def reset(front: Front, connection: socket.socket, head: str) -> None:
    """Half of the right answer, then a TCP reset."""
    status, headers, body = front.ask(head)
    answer(connection, f"{status} OK", headers, body[: len(body) // 2], len(body))
    time.sleep(0.02)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def black_hole(front: Front, connection: socket.socket, head: str) -> None:
    """Nothing, for ever."""
    front.stopped.wait(60)


def drip(front: Front, connection: socket.socket, head: str) -> None:
    """The right answer, a byte a second."""
    status, headers, body = front.ask(head)
    answer(connection, f"{status} OK", headers, b"", len(body))
    for byte in body:
        connection.sendall(bytes([byte]))
        if front.stopped.wait(1.0):
            return


def endless(front: Front, connection: socket.socket, head: str) -> None:
    """A body without an end, as fast as it is read."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{")
    while not front.stopped.is_set():
        connection.sendall(b" " * 65536)


def no_http(front: Front, connection: socket.socket, head: str) -> None:
    connection.sendall(b"220 mail.example ESMTP\r\n" * 3)


def endless_headers(front: Front, connection: socket.socket, head: str) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(100_000):
        connection.sendall(b"x-%d: %s\r\n" % (number, b"y" * 1000))


def redirecting(to: str) -> Trick:
    """A redirect to `to`."""

    def trick(front: Front, connection: socket.socket, head: str) -> None:
        answer(connection, "307 Temporary Redirect", {"Location": f"{to}{head.split()[1]}"}, b"")

    return trick


def sent_key(head: str) -> str:
    """The key that a request carries."""
    return head.partition("Bearer ")[2].split("\r\n")[0]


def echoing(status: int, spelled: bool = False) -> Trick:
    """The key in every place of an answer where a gateway could put it.

    `spelled`: with every letter as a JSON escape.
    """

    def trick(front: Front, connection: socket.socket, head: str) -> None:
        key = sent_key(head)
        body = json.dumps(_echo(key)).encode()
        if spelled:
            escaped = "".join(f"\\u{ord(letter):04x}" for letter in key)
            body = body.replace(key.encode(), escaped.encode())
        answer(connection, f"{status} {key}", _headers(key), body)

    return trick


def _headers(key: str) -> dict[str, str]:
    return {
        "Content-Type": f"application/json; charset={key}",
        "Location": f"http://{key}.test/{key}?key={key}",
        "Set-Cookie": f"session={key}",
        "WWW-Authenticate": f'Bearer realm="{key}"',
        "Retry-After": "0",
        "X-RateLimit-Limit": key,
        "X-RateLimit-Remaining": "1.00",
        "X-Request-Id": key,
        "Warning": f'199 - "{key}"',
        key: key,
    }


def _echo(key: str) -> dict[str, object]:
    """Readings of all endpoints at once, with the key for every name."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60))
    row = {
        "request_id": f"r{key}",
        "id": f"t{key}",
        "created_at": now,
        "model": key,
        "api_key": {"id": key, "name": f"name {key}", "masked": key},
        "prompt_tokens": 1,
        "completion_tokens": 1,
        "credits": 5,
        "kind": key,
        "amount_usd": 1,
        "note": key,
    }
    unreadable = row | {"request_id": f"bad {key}", "id": f"bad {key}", "credits": key}
    return {
        "error": {"type": key, "code": key, "message": f"invalid key {key}"},
        "user": {"id": key, "username": key, "tier": key, "created_at": now},
        "balance": {"available_usd": 3, "lifetime_spent_usd": 4, key: key},
        "allowed_models": [{"id": key, "quota_used_usd": 1, "quota_cap_usd": 2}],
        "org": {"id": key, "name": key, "role": key},
        "items": [row, row | {"request_id": key, "api_key": key}, unreadable, key],
        "total": 4,
        key: key,
    }


@contextmanager
def trap() -> Iterator[tuple[str, list[str]]]:
    """A server where nobody should ever ask: its URL, and what it was sent."""
    seen: list[str] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                seen.append(connection.recv(65536).decode("latin-1"))

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", seen

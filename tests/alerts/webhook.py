"""Whom Alertmanager notifies: a small HTTP server that keeps what it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

import msgspec


class Told(msgspec.Struct, frozen=True):
    """One alert of one notification. `status` is `firing` or `resolved`."""

    status: str
    labels: dict[str, str]
    annotations: dict[str, str]

    @property
    def name(self) -> str:
        """The alert's name."""
        return self.labels["alertname"]

    @property
    def summary(self) -> str:
        """What stands in somebody's pocket."""
        return self.annotations["summary"]


class _Notification(msgspec.Struct):
    receiver: str
    alerts: list[Told]


class Webhook:
    """Serves on a free port of loopback. `url` + a receiver's name is where it is told.

    `hear` is called for each alert, in a thread of the server.
    """

    def __init__(self, hear: Callable[[str, Told], None] = lambda receiver, told: None) -> None:
        self._hear = hear
        self._lock = threading.Lock()
        self._told: list[tuple[str, Told]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:
                body = handler.rfile.read(int(handler.headers["Content-Length"]))
                self._take(msgspec.json.decode(body, type=_Notification))
                handler.send_response(200)
                handler.end_headers()

            def log_message(handler, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def _take(self, notification: _Notification) -> None:
        for told in notification.alerts:
            with self._lock:
                self._told.append((notification.receiver, told))
            self._hear(notification.receiver, told)

    def told(self, receiver: str, status: str) -> list[Told]:
        """What a receiver was told so far, in order."""
        with self._lock:
            return [told for whom, told in self._told if (whom, told.status) == (receiver, status)]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

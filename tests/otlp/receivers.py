"""Receivers on loopback: HTTP servers that answer as told, a gRPC server, and a black hole."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import BinaryIO

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

PROTOBUF = "application/x-protobuf"


@dataclass
class Reply:
    """What a receiver answers, after `delay` seconds."""

    status: int = 200
    body: bytes = b""
    content_type: str = PROTOBUF
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0


@dataclass
class Received:
    """One request as a receiver got it: header names in lower case, the body decompressed."""

    path: str
    headers: dict[str, str]
    request: ExportMetricsServiceRequest
    client: object


class HttpReceiver:
    """Answers each POST with the next of `replies`, the last one for ever."""

    def __init__(self, *replies: Reply, tls: ssl.SSLContext | None = None) -> None:
        self.replies = list(replies) or [Reply()]
        self.received: list[Received] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._scheme = "http"
        if tls is not None:
            self._scheme = "https"
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}/v1/metrics"

    def next(self) -> Reply:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def __enter__(self) -> HttpReceiver:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(receiver: HttpReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers["content-length"]))
            if headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            request = ExportMetricsServiceRequest.FromString(body)
            receiver.received.append(Received(self.path, headers, request, self.client_address))
            self.answer(receiver.next())

        def answer(self, reply: Reply) -> None:
            time.sleep(reply.delay)
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.content_type)
            self.send_header("Content-Length", str(len(reply.body)))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(ConnectionError):  # a client may not want all of it
                self.wfile.write(reply.body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@contextmanager
def black_hole() -> Iterator[int]:
    """The port of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def _read_request(incoming: BinaryIO) -> bool:
    """Read one request and forget it; False at the end of the connection."""
    length = 0
    while line := incoming.readline().strip().lower():
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return len(incoming.read(length)) > 0


@contextmanager
def closing_after_each_answer(answers: int = 1) -> Iterator[tuple[str, list[str]]]:
    """A receiver that, on each connection, hangs up on the request after so many answers.

    Gives its URL and what became of each request.
    """
    requests: list[str] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as incoming:
                for turn in range(answers + 1):
                    if not _read_request(incoming):
                        break
                    requests.append("answered" if turn < answers else "dropped")
                    if turn < answers:
                        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1/metrics", requests


@contextmanager
def trickling(begin: bytes) -> Iterator[str]:
    """The URL of a receiver that begins to answer so, and adds a byte every 50 ms."""

    def serve() -> None:
        with suppress(OSError):
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as incoming:
                _read_request(incoming)
                connection.sendall(begin)
                while True:
                    time.sleep(0.05)
                    connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1/metrics"


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def rejecting(points: int, message: str) -> ExportMetricsServiceResponse:
    """A partial success; with 0 points, a warning."""
    return ExportMetricsServiceResponse(
        partial_success=ExportMetricsPartialSuccess(
            rejected_data_points=points, error_message=message
        )
    )


class GrpcReceiver:
    """A metrics service. `answer` returns the response or aborts the call's context."""

    def __init__(self, credentials: object = None) -> None:
        import grpc  # type: ignore[import-untyped]
        from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as service

        self.received: list[ExportMetricsServiceRequest] = []
        self.metadata: list[dict[str, str]] = []
        self.answer: Callable[[grpc.ServicerContext], ExportMetricsServiceResponse] = lambda _: (
            ExportMetricsServiceResponse()
        )
        self._server = grpc.server(ThreadPoolExecutor(2))
        service.add_MetricsServiceServicer_to_server(self, self._server)  # type: ignore[no-untyped-call]
        if credentials is None:
            self.port = self._server.add_insecure_port("127.0.0.1:0")
        else:
            self.port = self._server.add_secure_port("127.0.0.1:0", credentials)

    def Export(
        self, request: ExportMetricsServiceRequest, context: object
    ) -> ExportMetricsServiceResponse:
        """The service's one method."""
        self.received.append(request)
        self.metadata.append(dict(context.invocation_metadata()))  # type: ignore[attr-defined]
        return self.answer(context)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> GrpcReceiver:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(0).wait()

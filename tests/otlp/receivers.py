"""Receivers on loopback: HTTP servers that answer as told, a gRPC server, and a black hole."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import BinaryIO, NamedTuple

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from tests.http import Posted, Receiver, Reply


class Received(NamedTuple):
    """One request as a receiver got it."""

    path: str
    headers: dict[str, str]
    request: ExportMetricsServiceRequest
    client: object


class HttpReceiver(Receiver):
    """Answers each POST with the next of `replies`, the last one for ever."""

    def __init__(self, *replies: Reply, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(self._take, tls)
        self.replies = list(replies) or [Reply()]
        self.received: list[Received] = []

    @property
    def url(self) -> str:
        return f"{self.origin}/v1/metrics"

    def _take(self, posted: Posted) -> Reply:
        request = ExportMetricsServiceRequest.FromString(posted.body)
        self.received.append(Received(posted.path, posted.headers, request, posted.client))
        return self.next()

    def next(self) -> Reply:
        """The answer to the request that was received last."""
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


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

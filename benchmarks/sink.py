"""An OTLP receiver on loopback that keeps what it was sent until somebody asks."""

from __future__ import annotations

import gzip
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

Series = tuple[tuple[str, str], ...]
"""Attributes of a series, sorted."""


class Sink:
    """What arrived. Requests are decoded only when values are asked for."""

    def __init__(self) -> None:
        self.arrivals: list[float] = []
        """When each request had been read (monotonic seconds)."""
        self._waiting: deque[bytes] = deque()
        self._values: dict[str, dict[Series, float]] = {}
        self._points = 0

    def take(self, body: bytes) -> None:
        """Keep one request."""
        self._waiting.append(body)
        self.arrivals.append(time.monotonic())

    def values(self, metric: str) -> dict[Series, float]:
        """The newest value of every series of a metric."""
        self._decode()
        return self._values.get(metric, {})

    def total(self, metric: str) -> float:
        """The sum of these."""
        return sum(self.values(metric).values())

    def series(self) -> int:
        """How many series were ever sent, over all metrics."""
        self._decode()
        return sum(map(len, self._values.values()))

    def _decode(self) -> None:
        while self._waiting:
            request = ExportMetricsServiceRequest.FromString(self._waiting.popleft())
            for resource in request.resource_metrics:
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        self._note(metric)

    def _note(self, metric: Metric) -> None:
        known = self._values.setdefault(metric.name, {})
        for point in (*metric.gauge.data_points, *metric.sum.data_points):
            series = tuple(sorted((a.key, a.value.string_value) for a in point.attributes))
            known[series] = point.as_double or float(point.as_int)


@contextmanager
def http_sink() -> Iterator[tuple[str, Sink]]:
    """An OTLP/HTTP receiver and its URL."""
    sink = Sink()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(sink.take))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", sink
    finally:
        server.shutdown()
        server.server_close()


def _handler(take: Callable[[bytes], None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            zipped = self.headers.get("content-encoding") == "gzip"
            take(gzip.decompress(body) if zipped else body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def grpc_sink() -> Iterator[tuple[str, Sink]]:
    """An OTLP/gRPC receiver and its URL."""
    import grpc  # type: ignore[import-untyped]  # noqa: PLC0415 (only where it is measured)
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import (  # noqa: PLC0415
        MetricsServiceServicer,
        add_MetricsServiceServicer_to_server,
    )

    sink = Sink()

    class Servicer(MetricsServiceServicer):
        def Export(
            self, request: ExportMetricsServiceRequest, context: object
        ) -> ExportMetricsServiceResponse:
            sink.take(request.SerializeToString())
            return ExportMetricsServiceResponse()

    server = grpc.server(ThreadPoolExecutor(2))
    add_MetricsServiceServicer_to_server(Servicer(), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}", sink
    finally:
        server.stop(0).wait()

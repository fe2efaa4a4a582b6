"""OTLP over gRPC: the official exporter, with a stub that sees every answer.

Imported only where the configuration chooses gRPC: it adds about 20 MiB and some threads.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # read when grpc is imported

import grpc  # type: ignore[import-untyped]
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (
    OTLPMetricExporter,
)
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.sdk.metrics.export import MetricExportResult

from exporter.config import types as config
from exporter.live import ExportOutcome
from exporter.otlp.answers import judge_response
from exporter.otlp.result import ExportResult, failure
from exporter.otlp.target import Target

_NEVER_RETRIED = (grpc.StatusCode.OK,)
"""The SDK tries again on these codes only. An error is never OK; empty means default."""

_BROKEN = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})
_NO_ANSWER = failure("the points could not be encoded for OTLP; please report this as a bug")

_ADVICE = {
    "CANCELLED": "the export was given up",
    "DEADLINE_EXCEEDED": "no answer within otlp.timeout",
    "FAILED_PRECONDITION": "it does not take points in its present state",
    "INVALID_ARGUMENT": "it takes these points for invalid",
    "PERMISSION_DENIED": "may the credentials in otlp.headers write metrics?",
    "RESOURCE_EXHAUSTED": "it limits what it takes; the next interval sends everything again",
    "UNAUTHENTICATED": "are the credentials in otlp.headers right?",
    "UNAVAILABLE": "is otlp.endpoint right, the receiver running, and TLS wanted or not?",
    "UNIMPLEMENTED": "is otlp.endpoint an OTLP receiver for gRPC that takes metrics?",
    "UNKNOWN": "is otlp.endpoint an OTLP receiver for gRPC?",
}


class _Stub(Protocol):
    """What the SDK calls."""

    def Export(
        self,
        request: ExportMetricsServiceRequest,
        *,
        metadata: tuple[tuple[str, str], ...],
        timeout: float,
    ) -> ExportMetricsServiceResponse: ...


class GrpcSender:
    """Sends requests to one receiver over one channel, a new one after it broke."""

    def __init__(self, otlp: config.Otlp, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._otlp = otlp
        self._call = _Call(Target.of(otlp), monotonic)
        self._exporter: _Exporter | None = None
        self._lock = threading.Lock()
        self._closed = False

    def send(self, request: ExportMetricsServiceRequest, deadline: float) -> ExportResult:
        """One request, given up at `deadline` (monotonic seconds)."""
        self._call.begin(deadline)
        try:
            exporter = self._open()
        except OSError as error:
            return failure(f"the certificate files of otlp cannot be read: {error.strerror}")
        try:
            sent = exporter.send(request)
        finally:
            if self._call.code in _BROKEN:
                self._drop()
        answer = self._call.result or _NO_ANSWER
        if sent is not MetricExportResult.SUCCESS and answer.outcome is ExportOutcome.SUCCESS:
            return failure("the OTLP exporter reports a failure without a reason")
        return answer

    def close(self) -> None:
        """Cancel the request under way, close the channel, and let nothing further be sent."""
        self._closed = True
        self._drop()

    def _open(self) -> _Exporter:
        """The exporter; certificates are read again for each new channel."""
        with self._lock:
            if self._closed:
                raise ValueError("closed")
            if self._exporter is None:
                self._exporter = _Exporter(self._otlp, self._call)
            return self._exporter

    def _drop(self) -> None:
        with self._lock:
            exporter, self._exporter = self._exporter, None
        if exporter is not None:
            exporter.shutdown()


class _Exporter(OTLPMetricExporter):
    """The official exporter, calling through `_Call`.

    The SDK offers no sight of the answer and takes nothing that is encoded: the methods that make
    its stub and encode are replaced. Were they renamed, no answer would be seen, and no export
    would count as success.
    """

    def __init__(self, otlp: config.Otlp, call: _Call) -> None:
        self._call = call
        gzip = otlp.compression is config.Compression.GZIP
        super().__init__(
            endpoint=call.target.url,
            insecure=not call.target.secure,
            credentials=_credentials(otlp) if call.target.secure else None,
            timeout=otlp.timeout,
            compression=grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression,
            retryable_error_codes=_NEVER_RETRIED,
            meter_provider=NoOpMeterProvider(),
        )

    def _initialize_channel_and_stub(self) -> None:
        super()._initialize_channel_and_stub()  # type: ignore[no-untyped-call]
        self._call.stub = self._client  # type: ignore[assignment]
        self._client = self._call  # type: ignore[assignment]

    def send(self, request: ExportMetricsServiceRequest) -> MetricExportResult:
        """What `export` does, with a request that is encoded."""
        return self._export(request)  # type: ignore[arg-type]

    def _translate_data(  # type: ignore[override]
        self, data: ExportMetricsServiceRequest
    ) -> ExportMetricsServiceRequest:
        return data

    def _count_data(self, data: object) -> int:
        return 0  # for the SDK's metrics about itself, which are off


class _Call:
    """Stands in for the stub: sends our headers only and turns every answer into a result."""

    stub: _Stub

    def __init__(self, target: Target, monotonic: Callable[[], float]) -> None:
        self.target = target
        self._monotonic = monotonic
        self._deadline = 0.0
        self.code: grpc.StatusCode | None = None
        self.result: ExportResult | None = None

    def begin(self, deadline: float) -> None:
        """Forget the last request; the next one has until `deadline`."""
        self._deadline = deadline
        self.code = None
        self.result = None

    def Export(
        self, request: ExportMetricsServiceRequest, **_: object
    ) -> ExportMetricsServiceResponse:
        """What the stub does, with our metadata and deadline instead of the SDK's."""
        left = max(self._deadline - self._monotonic(), 0.001)
        metadata = tuple(self.target.headers.items())
        try:
            response = self.stub.Export(request, metadata=metadata, timeout=left)
        except grpc.RpcError as error:
            self.code = error.code()
            self.result = self._failed(error.code().name, error.details() or "")
            raise
        self.result = judge_response(response, self.target.redactor)
        return response

    def _failed(self, code: str, details: str) -> ExportResult:
        said = self.target.redactor.clean(details)
        told = "; ".join(filter(None, (_ADVICE.get(code), f"it says: {said}" if said else "")))
        message = f"gRPC {code} from {self.target.shown}"
        return failure(
            f"{message}: {told}" if told else message, data_refused=code == "INVALID_ARGUMENT"
        )


def _credentials(otlp: config.Otlp) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        root_certificates=_bytes(otlp.certificate),
        private_key=_bytes(otlp.client_key),
        certificate_chain=_bytes(otlp.client_certificate),
    )


def _bytes(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()

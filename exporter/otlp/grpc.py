"""OTLP over gRPC, by the official stub.

Imported only where the configuration chooses gRPC: it adds about 20 MiB and some threads.
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # read when grpc is imported

import grpc  # type: ignore[import-untyped]
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub

from exporter import __version__, threads
from exporter.config import types as config
from exporter.otlp.receiver import ExportResult, Receiver, failure, judge_response

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


class GrpcSender:
    """Sends requests to one receiver over one channel, a new one after it broke."""

    def __init__(self, otlp: config.Otlp, receiver: Receiver) -> None:
        self._otlp = otlp
        self._receiver = receiver
        self._metadata = tuple(receiver.headers.items())
        self._channel: grpc.aio.Channel | None = None

    async def send(self, request: ExportMetricsServiceRequest) -> ExportResult:
        """Send one request and judge its answer. Takes as long as the receiver does."""
        try:
            if self._channel is None:
                self._channel = await self._open()
            stub = MetricsServiceStub(self._channel)  # type: ignore[no-untyped-call]  # generated
            response = await stub.Export(request, metadata=self._metadata)
        except OSError as error:
            return failure(f"the certificate files of otlp cannot be read: {error.strerror}")
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                await self.close()
            return self._failed(error.code().name, error.details() or "")
        except grpc.aio.InternalError:
            return failure(
                f"the call to {self._receiver.shown} cannot be made: does a header of otlp have "
                "characters that gRPC does not allow?"
            )
        return judge_response(response, self._receiver)

    async def close(self) -> None:
        """Close the channel. The next request opens a new one and reads certificates again."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    async def _open(self) -> grpc.aio.Channel:
        """A channel to the host and port of the URL. Raises OSError for certificate files."""
        target = urlsplit(self._receiver.url).netloc.rpartition("@")[2]
        gzip = self._otlp.compression is config.Compression.GZIP
        compression = grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression
        options = (("grpc.primary_user_agent", f"bytespike-exporter/{__version__}"),)
        if not self._receiver.secure:
            return grpc.aio.insecure_channel(target, options, compression)
        credentials = await threads.call(lambda: _credentials(self._otlp))
        return grpc.aio.secure_channel(target, credentials, options, compression)

    def _failed(self, code: str, details: str) -> ExportResult:
        what = f"gRPC {code} from {self._receiver.shown}"
        told = self._receiver.told(what, _ADVICE.get(code, ""), details)
        return failure(told, data_refused=code == "INVALID_ARGUMENT")


def _credentials(otlp: config.Otlp) -> grpc.ChannelCredentials:
    files = (otlp.certificate, otlp.client_key, otlp.client_certificate)
    return grpc.ssl_channel_credentials(*(file and file.read_bytes() for file in files))

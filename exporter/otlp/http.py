"""OTLP over HTTP: the official exporter, on a transport that sees every answer.

The SDK's exporter reports redirects and partial success as success, keeps the reason of a
failure to itself, tries again until its timeout is over, and mixes `OTEL_EXPORTER_OTLP_*` into
what it was told. The transport below it judges each answer itself, ends an export at its first
failure (the next interval sends the same cumulative totals anyway), and sends exactly what the
configuration says. It is httpx's, which is loaded in any case: the SDK's own brings requests and
urllib3, a twentieth of the process.
"""

from __future__ import annotations

import ssl
import time
import zlib
from collections.abc import Callable

import httpx
from opentelemetry.exporter.http.transport._base import BaseHTTPResult, BaseHTTPTransport
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.sdk.metrics.export import MetricExportResult

from exporter import __version__
from exporter.config import types as config
from exporter.live import ExportOutcome
from exporter.otlp.answers import HttpAnswer, judge_http
from exporter.otlp.proxies import proxy_for
from exporter.otlp.result import ExportResult, failure
from exporter.otlp.target import Target
from exporter.otlp.troubles import dropped, explained

MAX_ANSWER = 64 * 1024
"""An OTLP answer is tiny; what is larger is not read."""

_GZIP = (4, zlib.DEFLATED, 16 + 13, 6)
"""Level, and a window of 8 KiB: points repeat soon, and zlib takes 64 KiB instead of 256."""

_CLOSED = failure("the OTLP exporter was closed")
_NO_ANSWER = failure("the points could not be encoded for OTLP; please report this as a bug")


class HttpSender:
    """Sends requests to one receiver, over connections that are kept open."""

    def __init__(self, otlp: config.Otlp, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._transport = _Transport(otlp, Target.of(otlp), monotonic)
        self._closed = False
        self._exporter = _Exporter(
            endpoint=otlp.endpoint,
            timeout=otlp.timeout,
            compression=Compression.NoCompression,  # the transport's part
            meter_provider=NoOpMeterProvider(),
            _transport=self._transport,
        )

    def send(self, request: ExportMetricsServiceRequest, deadline: float) -> ExportResult:
        """One request, given up at `deadline` (monotonic seconds)."""
        if self._closed:
            return _CLOSED
        self._transport.begin(deadline)
        sent = self._exporter.send(request)
        answer = self._transport.result
        if answer is None:
            return _NO_ANSWER
        if sent is not MetricExportResult.SUCCESS and answer.outcome is ExportOutcome.SUCCESS:
            return failure("the OTLP exporter reports a failure without a reason")
        return answer

    def close(self) -> None:
        """Close idle connections and let nothing further be sent."""
        self._closed = True
        self._exporter.shutdown()


class _Exporter(OTLPMetricExporter):
    """The official exporter, given requests that are encoded.

    Its own encoder takes several times as long as `points`. Were the method below it renamed, no
    request would be sent, and no export would count as success.
    """

    def send(self, request: ExportMetricsServiceRequest) -> MetricExportResult:
        """What `export` does once it has encoded what it was given."""
        return self._export_batch(request)


class _GaveUpError(Exception):
    """Tells the SDK's exporter that the request failed, in a way that it does not try again."""


class _DroppedError(Exception):
    """Tells it to try once more: a kept connection that the receiver had closed."""


class _Result(BaseHTTPResult):
    """What the SDK is told of an answer: no more than its status."""

    def content(self) -> bytes:
        return b""

    def headers(self) -> dict[str, str]:
        return {}


class _Transport(BaseHTTPTransport):
    """Sends with our headers and certificates only, and turns every answer into a result."""

    def __init__(self, otlp: config.Otlp, target: Target, monotonic: Callable[[], float]) -> None:
        self._otlp = otlp
        self._target = target
        self._monotonic = monotonic
        self._gzip = otlp.compression is config.Compression.GZIP
        self._proxy = proxy_for(target.url)
        self._way = f"{target.shown} through the proxy" if self._proxy else target.shown
        self._http: httpx.HTTPTransport | None = None
        self._deadline = 0.0
        self._tries = 0
        self.result: ExportResult | None = None

    def begin(self, deadline: float) -> None:
        """Forget the last request; the next one has until `deadline`."""
        self._deadline = deadline
        self._tries = 0
        self.result = None

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        timeout: float | None = None,
        data: bytes | None = None,
    ) -> BaseHTTPResult:
        """Success if the answer is a 2xx; all else is an error, so that nothing takes it for one.

        Of what the SDK asks for, only method and body are heeded, of the environment the proxy.
        """
        self._tries += 1
        try:
            answer = self._exchange(method, data or b"")
        except Exception as error:
            self.close()
            self.result = failure(explained(error, self._way, self._otlp.timeout))
            again = self._tries == 1 and dropped(error)
            return _Result(error=_DroppedError() if again else _GaveUpError())
        self.result = judge_http(answer, self._target.shown, self._target.redactor)
        if 200 <= answer.status < 300:
            return _Result(status_code=answer.status)
        return _Result(error=_GaveUpError())

    def is_connection_error(self, exception: Exception | None) -> bool:
        """Whether the SDK should try once more."""
        return isinstance(exception, _DroppedError)

    def close(self) -> None:
        """Close the connections. The next one reads the certificates again."""
        http, self._http = self._http, None
        if http is not None:
            http.close()

    def __del__(self) -> None:
        self.close()

    def _exchange(self, method: str, body: bytes) -> HttpAnswer:
        if self._gzip:
            coder = zlib.compressobj(*_GZIP)
            body = coder.compress(body) + coder.flush()
        left = httpx.Timeout(max(self._deadline - self._monotonic(), 0.001)).as_dict()
        request = httpx.Request(
            method,
            self._target.url,
            headers=[(n.encode(), v.encode("latin-1")) for n, v in self._headers().items()],
            content=body,
            extensions={"timeout": left},
        )
        if self._http is None:
            self._http = _connections(self._otlp, self._target, self._proxy)
        response = self._http.handle_request(request)
        try:
            return self._read(response)
        finally:
            response.close()

    def _headers(self) -> dict[str, str]:
        headers = {
            "content-type": "application/x-protobuf",
            "user-agent": f"bytespike-exporter/{__version__}",
            "accept-encoding": "identity",
        }
        if self._gzip:
            headers["content-encoding"] = "gzip"
        return headers | self._target.headers

    def _read(self, response: httpx.Response) -> HttpAnswer:
        """The answer with as much of its body as an OTLP receiver would send."""
        body = bytearray()
        assert isinstance(response.stream, httpx.SyncByteStream)
        for chunk in response.stream:
            body += chunk
            if len(body) > MAX_ANSWER:
                break
            if self._monotonic() >= self._deadline:
                raise httpx.ReadTimeout("the answer takes too long")
        content_type = response.headers.get("content-type", "")
        location = response.headers.get("location")
        whole = len(body) <= MAX_ANSWER
        return HttpAnswer(response.status_code, content_type, bytes(body), whole, location)


def _connections(otlp: config.Otlp, target: Target, proxy: str | None) -> httpx.HTTPTransport:
    """One kept connection. Raises OSError where the certificate files cannot be read."""
    if not target.secure:
        trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    elif otlp.certificate is not None:
        trust = ssl.create_default_context(cafile=str(otlp.certificate))
    else:
        trust = httpx.create_ssl_context(trust_env=False)
    if target.secure and otlp.client_certificate is not None:
        trust.load_cert_chain(otlp.client_certificate, otlp.client_key)
    return httpx.HTTPTransport(
        verify=trust,
        trust_env=False,
        limits=httpx.Limits(max_keepalive_connections=1, keepalive_expiry=None),
        proxy=proxy,
    )

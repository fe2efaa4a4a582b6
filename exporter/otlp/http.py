"""OTLP over HTTP: protobuf, sent with httpx as the configuration says and not otherwise.

httpx's transport is used without its client, which would keep cookies, read redirects, and log
URLs with their query.
"""

from __future__ import annotations

import gzip
import os
import socket
import ssl
from collections.abc import Iterable, Iterator
from contextlib import suppress
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from exporter import __version__, threads
from exporter.config import types as config
from exporter.otlp.receiver import ExportResult, HttpAnswer, Receiver, failure, judge_http

MAX_ANSWER = 64 * 1024
"""An OTLP answer is tiny; what is larger is not read."""

_GZIP_LEVEL = 4
_BROKEN = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)
"""What a kept connection that the receiver has closed may raise."""


class HttpSender:
    """Sends requests to one receiver, over a connection that is kept open."""

    def __init__(self, otlp: config.Otlp, receiver: Receiver) -> None:
        self._otlp = otlp
        self._receiver = receiver
        self._gzip = otlp.compression is config.Compression.GZIP
        self._proxy = proxy_for(receiver.url)
        self._way = f"{receiver.shown} through the proxy" if self._proxy else receiver.shown
        self._headers = _headers(self._gzip) | receiver.headers
        self._http: httpx.AsyncHTTPTransport | None = None

    async def send(self, request: ExportMetricsServiceRequest) -> ExportResult:
        """Send one request and judge its answer. Takes as long as the receiver does."""
        body = request.SerializeToString()
        if self._gzip:
            body = gzip.compress(body, _GZIP_LEVEL)
        try:
            answer = await self._ask(body)
        except Exception as error:  # of httpx, ssl or the certificate files
            await self.close()
            return failure(_explained(error, self._way))
        return judge_http(answer, self._receiver)

    async def close(self) -> None:
        """Close the connections. The next request opens new ones and reads certificates again."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    async def _ask(self, body: bytes) -> HttpAnswer:
        """The answer, from a new connection where the first one broke: it may have been idle."""
        try:
            return await self._exchange(body)
        except _BROKEN:
            await self.close()
            return await self._exchange(body)

    async def _exchange(self, body: bytes) -> HttpAnswer:
        request = httpx.Request(
            "POST",
            self._receiver.url,
            headers=[(name.encode(), v.encode("latin-1")) for name, v in self._headers.items()],
            content=body,
        )
        if self._http is None:
            self._http = await threads.call(self._open)
        response = await self._http.handle_async_request(request)
        try:
            return await _read(response)
        finally:
            await response.aclose()

    def _open(self) -> httpx.AsyncHTTPTransport:
        """A transport with one kept connection. Raises OSError for certificate files."""
        return httpx.AsyncHTTPTransport(
            verify=_trust(self._otlp, self._receiver.secure),
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=1, keepalive_expiry=None),
            proxy=self._proxy,
        )


def _headers(compressed: bool) -> dict[str, str]:
    headers = {
        "content-type": "application/x-protobuf",
        "user-agent": f"bytespike-exporter/{__version__}",
        "accept-encoding": "identity",
    }
    return headers | ({"content-encoding": "gzip"} if compressed else {})


def _trust(otlp: config.Otlp, secure: bool) -> ssl.SSLContext:
    """The TLS context. Without https no authorities are loaded, because they take 1 MiB."""
    if not secure:
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if otlp.certificate is not None:
        trust = ssl.create_default_context(cafile=str(otlp.certificate))
    else:
        trust = httpx.create_ssl_context(trust_env=False)
    if otlp.client_certificate is not None:
        trust.load_cert_chain(otlp.client_certificate, otlp.client_key)
    return trust


async def _read(response: httpx.Response) -> HttpAnswer:
    """The answer with as much of its body as an OTLP receiver would send."""
    body = b""
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_ANSWER:
            break
    return HttpAnswer(
        status=response.status_code,
        content_type=response.headers.get("content-type", ""),
        body=body,
        whole=len(body) <= MAX_ANSWER,
        location=response.headers.get("location"),
    )


def _explained(error: Exception, way: str) -> str:
    """What happened and what to do, without httpx's words: they may hold a query or a header.

    `way` is the receiver as it may be shown, with the proxy on the way to it.
    """
    cause = _cause(error)
    tls = any(isinstance(one, ssl.SSLError) for one in _chain(error))
    if isinstance(error, httpx.NetworkError) and tls:
        return f"no TLS with {way}: {cause}; do otlp.certificate and its kin fit?"
    if isinstance(error, httpx.ProxyError):
        return f"the proxy on the way to {way} failed: {cause}"
    if isinstance(error, (httpx.NetworkError, httpx.RemoteProtocolError)):
        return f"no connection to {way}: {cause}; is otlp.endpoint right, and the receiver running?"
    if isinstance(error, (httpx.LocalProtocolError, httpx.InvalidURL, ValueError)):
        return "the URL or a header of otlp has characters that HTTP does not allow"
    if isinstance(error, OSError):
        return f"the certificate files of otlp cannot be read: {cause}"
    return f"the request to {way} broke off: {type(error).__name__}"


def _cause(error: Exception) -> str:
    """OpenSSL's or the operating system's reason, else the kind of error."""
    for cause in _chain(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        if isinstance(cause, ssl.SSLError):
            return (cause.reason or "broken").replace("_", " ").lower()
        if isinstance(cause, socket.gaierror):
            return (cause.strerror or "no such host").lower()
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno).lower()
    disconnected = str(error).startswith("Server disconnected")
    return "closed without an answer" if disconnected else type(error).__name__


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what led to it."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):  # of the attempts for each address of a host
            error = error.exceptions[0]
        else:
            error = error.__cause__ or error.__context__


def proxy_for(url: str) -> str | None:
    """The URL of the proxy that the environment names, None where the receiver is asked directly.

    Networks in NO_PROXY are known, of which httpx knows nothing.
    """
    parts = urlsplit(url)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    host = parts.hostname or ""
    if not proxy or proxy_bypass(host) or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    if _within(host, proxies.get("no", "").split(",")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _within(host: str, networks: Iterable[str]) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    for network in networks:
        with suppress(ValueError):  # a name
            if address in ip_network(network.strip(), strict=False):
                return True
    return False

"""One HTTP exchange with the gateway, bounded in time and size. Only this module of it knows httpx.

httpx's own errors, loggers and response texts may quote what the gateway sent, and a gateway may
echo the key. So none of them leaves this module: errors are worded here, and are raised outside
of the `except` that met httpx's, so that no traceback carries the original.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar
from typing import Final

import httpx
import msgspec

from exporter.errors import (
    BadRequestError,
    BadResponseError,
    GatewayError,
    GatewayTimeoutError,
    NetworkError,
    ResponseTooLargeError,
)
from exporter.secrets import Secret

MAX_BODY: Final = 8 * 1024 * 1024
"""The largest answer that is held, in decoded bytes."""

MAX_REQUESTS: Final = 64
"""Requests that are under way at once; all others wait their turn."""

MAX_REQUESTS_TO_ONE: Final = 32
"""Of these to one host and port, so that one that hangs does not hold up the others."""

_KEPT: Final = 16
"""Idle connections that are kept: the pool looks at all of them several times in each request."""

_KEEPALIVE_SECONDS: Final = 15.0
_Transport = httpx.AsyncBaseTransport | None
_LOGGERS: Final = (
    "httpx",
    "httpcore",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)


class HttpClient(httpx.AsyncClient):
    """What `open_http` gives; one is shared by all accounts. Close it with `await http.aclose()`.

    Requests wait here and not in httpx's pool, which looks at every waiting request and every
    connection whenever one of them changes: with hundreds waiting it gets nothing else done.
    """

    def __init__(self, timeout: float, secure: bool, transport: _Transport) -> None:
        # Loading the authorities costs memory, which is saved where no URL asks for TLS.
        trusted = httpx.create_ssl_context() if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        super().__init__(
            verify=trusted,
            timeout=httpx.Timeout(timeout),
            limits=httpx.Limits(
                max_connections=MAX_REQUESTS,
                max_keepalive_connections=_KEPT,
                keepalive_expiry=_KEEPALIVE_SECONDS,
            ),
            follow_redirects=False,
            cookies=_NoCookies(),
            event_hooks={"response": [_forget_location]},
            transport=transport,
        )
        self._all = asyncio.Semaphore(MAX_REQUESTS)
        self._to_one: dict[str, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def turn(self, url: str) -> AsyncIterator[None]:
        """Hold a place among the requests to this URL's host and port; first come, first served."""
        host = url.split("/", 3)[:3][-1]  # no parser: one that refuses would raise its own error
        to_one = self._to_one.setdefault(host, asyncio.Semaphore(MAX_REQUESTS_TO_ONE))
        async with to_one, self._all:
            yield


class Answer(msgspec.Struct, frozen=True):
    """One answer: status, headers (names in lower case), decoded body.

    A header that came twice with different values is empty: it says nothing.
    """

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class ConnectionLostError(NetworkError):
    """A connection broke before any answer began: usually one that was closed while idle."""


class _NoCookies(CookieJar):
    """Keeps nothing: one account's cookies must not reach another's requests."""

    def extract_cookies(self, response: object, request: object) -> None:
        """Ignore what a response sets."""


async def _forget_location(response: httpx.Response) -> None:
    # httpx would parse the target even where redirects are not followed.
    if "location" in response.headers:
        del response.headers["location"]


def _is_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


def quiet_http_logs() -> None:
    """Keep httpx and httpcore from logging URLs and headers, whatever levels are set later.

    Their INFO and DEBUG lines hold the query and the Authorization header.
    """
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.WARNING)
        logger.addFilter(_is_warning)


def open_http(
    timeout: float = 10.0, transport: _Transport = None, *, secure: bool = False
) -> HttpClient:
    """The HTTP client that all accounts share: HTTP/1.1, at most `MAX_REQUESTS` connections.

    Proxies and certificates come from the usual environment variables. Redirects are never
    followed and cookies never kept. `timeout` (s) bounds each step; the whole of an exchange is
    bounded by `exchange`. Idle connections are dropped after 15 s, before most load balancers do.
    `secure`: whether any URL that it will be asked for begins with https.
    """
    quiet_http_logs()
    return HttpClient(timeout, secure, transport)


async def exchange(http: HttpClient, url: str, key: Secret, seconds: float) -> Answer:
    """GET `url` and read the whole answer, of any status, within so many `seconds` of its turn.

    Raises GatewayTimeoutError, NetworkError (ConnectionLostError where trying again at once may
    help), BadResponseError for a body that cannot be decoded, ResponseTooLargeError.
    """
    problem: GatewayError
    try:
        async with http.turn(url), asyncio.timeout(seconds):
            response = await http.send(_request(url, key), stream=True)
            try:
                headers: dict[bytes, bytes] = {}
                for name, value in response.headers.raw:
                    lower = name.lower()
                    headers[lower] = value if headers.get(lower, value) == value else b""
                body = await _body(response, headers)
            finally:
                await response.aclose()
            return Answer(response.status_code, headers, body)
    except (TimeoutError, httpx.TimeoutException):
        problem = GatewayTimeoutError(
            f"no complete answer within {seconds:g} s: the gateway or the way to it is slow; "
            "raise gateway.timeout if this is usual"
        )
    except httpx.InvalidURL:
        problem = BadRequestError("the request has no usable URL: check the account's base_url")
    except (httpx.HTTPError, httpx.StreamError, OSError) as error:
        problem = _network_error(error)
    raise problem


def _request(url: str, key: Secret) -> httpx.Request:
    headers = {
        "Authorization": f"Bearer {key.reveal()}",
        "Accept": "application/json",
        "Accept-Encoding": "gzip",
        "User-Agent": "bytespike-exporter",
    }
    return httpx.Request("GET", url, headers=headers)


async def _body(response: httpx.Response, headers: dict[bytes, bytes]) -> bytes:
    """The decoded body. A failed status is reported as such even if its body is unreadable."""
    coding = headers.get(b"content-encoding", b"identity").strip().lower()
    try:
        if coding in (b"identity", b""):
            return await _read(response, None)
        if coding in (b"gzip", b"x-gzip", b"deflate"):
            return await _read(response, zlib.decompressobj(wbits=47))
        raise BadResponseError("the answer is compressed in a way that was not asked for")
    except BadResponseError:
        if response.status_code < 300:
            raise
        return b""


async def _read(response: httpx.Response, inflater: zlib._Decompress | None) -> bytes:
    """Part by part and never past `MAX_BODY`: a small body may unfold into terabytes.

    As received: httpx's own decoding would unfold a part in full, whatever its size.
    """
    assert isinstance(response.stream, httpx.AsyncByteStream)
    parts: list[bytes] = []
    room = MAX_BODY
    broken = False
    async for part in response.stream:
        try:
            piece = inflater.decompress(part, room + 1) if inflater is not None else part
        except zlib.error:
            broken = True
            break
        room -= len(piece)
        if room < 0:
            raise ResponseTooLargeError(
                f"the answer is larger than {MAX_BODY // 2**20} MiB: ask for a shorter range"
            )
        parts.append(piece)
    if broken or (inflater is not None and not inflater.eof):
        raise BadResponseError("the compressed answer is damaged or cut off")
    return b"".join(parts)


def _network_error(error: Exception) -> GatewayError:
    """Says in our own words what went wrong: httpx's may quote the gateway."""
    if isinstance(error, httpx.UnsupportedProtocol):
        return BadRequestError("the account's base_url must begin with http:// or https://")
    if isinstance(error, httpx.ProxyError):
        return NetworkError("the proxy refused the connection: check HTTPS_PROXY and NO_PROXY")
    if isinstance(error, httpx.ConnectError):
        return NetworkError(_why_not_connected(error))
    if isinstance(error, (httpx.ReadError, httpx.WriteError)):
        return ConnectionLostError("the connection to the gateway broke")
    if isinstance(error, httpx.RemoteProtocolError):
        if str(error).startswith("Server disconnected"):
            return ConnectionLostError("the gateway closed the connection without an answer")
        return NetworkError("the answer broke off or is not HTTP: check what is in between")
    return NetworkError("the exchange with the gateway failed")


def tls_reason(error: ssl.SSLError) -> str:
    """OpenSSL's reason: words of its own, and at most the name that was asked for."""
    reason = (error.reason or type(error).__name__).replace("_", " ").lower()
    detail: str | None = getattr(error, "verify_message", None)
    return f"{reason}: {detail}" if detail else reason


def _why_not_connected(error: BaseException) -> str:
    """The nearest known cause, and what to check."""
    cause: BaseException | None = error
    for _ in range(10):
        if cause is None:
            break
        if isinstance(cause, socket.gaierror):
            return "the gateway's name cannot be resolved: check base_url and DNS"
        if isinstance(cause, ssl.SSLError):
            return (
                f"TLS with the gateway failed ({tls_reason(cause)}): check base_url, the "
                "certificate, SSL_CERT_FILE and the clock"
            )
        if isinstance(cause, ConnectionRefusedError):
            return "the gateway refused the connection: check base_url and its port"
        cause = cause.__cause__ or cause.__context__
    return "no connection to the gateway: check base_url, the network and the proxy"

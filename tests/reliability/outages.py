"""What can go wrong with one request to the gateway, each fault once.

An outage is told from a right answer only by what it does to the request. All that can carry text
carries the key, so that any of it that is shown is found.
"""

from __future__ import annotations

import gzip
import json
import random
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from functools import cache

import httpx

from exporter.config.types import UsageMode
from exporter.errors import Outcome
from exporter.gateway.dialects import DIALECTS
from tests.reliability.stage import Outage, Stage

TRAP = "trap.test"
"""The host to which redirects point. Nothing may ever be sent there."""

_CHUNK = b" " * 65_536


@dataclass(frozen=True)
class Kind:
    """One fault and what is promised for it.

    `outcome` is how the poll is counted, None where it succeeds all the same. `attempts`: the most
    requests that one poll may make. `every`: at least so many seconds between two requests.
    `envelope`: whether quota headers come with the answer. `slowly`: asked at a fifth of the
    rate.
    """

    name: str
    outage: Outage
    outcome: Outcome | None
    attempts: int = 1
    every: float = 0.0
    envelope: bool = False
    slowly: bool = False

    @property
    def up(self) -> bool:
        """Whether the gateway itself counts as working."""
        return self.outcome is None or self.name.startswith("402")


def raising(
    error: type[httpx.TransportError], cause: BaseException | None = None, after: float = 0.0
) -> Outage:
    """No answer; the error quotes the key, as some of httpx's do."""

    async def outage(stage: Stage, request: httpx.Request) -> httpx.Response:
        if after:
            await stage.clock.sleep(after)
        raise error(f"{cause} {request.headers['authorization']}") from cause

    return outage


def answering(
    status: int,
    body: bytes | Callable[[Stage], bytes] | None = None,
    headers: Mapping[str, str] | Callable[[Stage], Mapping[str, str]] | None = None,
    kind: str = "api_error",
    code: str | None = None,
) -> Outage:
    """An answer with the gateway's error body unless another one is given."""

    async def outage(stage: Stage, request: httpx.Request) -> httpx.Response:
        told = {"error": {"type": kind, "message": f"the key {stage.key} …", "code": code}}
        content = body(stage) if callable(body) else body
        more = headers(stage) if callable(headers) else headers
        usual = {
            "content-type": "application/json",
            "date": formatdate(stage.gateway_time.now(), usegmt=True),
            "x-echo": stage.key,
        }
        # As a stream: `content=` would be decoded by httpx before anybody reads it.
        stream = httpx.ByteStream(json.dumps(told).encode() if content is None else content)
        return httpx.Response(status, headers={**usual, **(more or {})}, stream=stream)

    return outage


def with_envelope(status: int, kind: str) -> Outage:
    """The gateway's own refusal: its quota headers come with it."""

    async def outage(stage: Stage, request: httpx.Request) -> httpx.Response:
        right = await stage.right(request)
        names = ("x-ratelimit", "x-quota", "x-org", "date")
        headers = {n: v for n, v in right.headers.items() if n.startswith(names)}
        return await answering(status, headers=headers, kind=kind)(stage, request)

    return outage


class _Endless(httpx.AsyncByteStream):
    """A body that goes on as long as anybody reads. `read` counts bytes."""

    def __init__(self, compressed: bool) -> None:
        self._compressed = compressed

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if not self._compressed:
            yield b'{"items":['
        packed = gzip.compress(b'{"items":[' + _CHUNK * 64, mtime=0)[:-8]
        for _ in range(10_000):  # 640 MiB, or 40 GiB unfolded
            yield packed if self._compressed else _CHUNK
        raise AssertionError("the exporter read an endless body to its end")


def endless(headers: Mapping[str, str] | None = None) -> Outage:
    """A body without an end."""

    async def outage(stage: Stage, request: httpx.Request) -> httpx.Response:
        stream = _Endless(bool(headers))
        return httpx.Response(200, headers=dict(headers or {}), stream=stream)

    return outage


@cache
def _bomb() -> bytes:
    return gzip.compress(b'{"items":[' + b" " * (64 << 20), 1, mtime=0)


def bomb() -> Outage:
    """64 MiB in some hundred KiB."""
    return answering(200, lambda stage: _bomb(), {"content-encoding": "gzip"})


class _Broken(httpx.AsyncByteStream):
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body
        raise httpx.ReadError("connection reset by peer")


async def _reset(stage: Stage, request: httpx.Request) -> httpx.Response:
    right = await stage.right(request)
    body = await right.aread()
    headers = {n: v for n, v in right.headers.items() if n.startswith(("x-", "date"))}
    return httpx.Response(200, headers=headers, stream=_Broken(body[: len(body) // 2]))


async def _truncated(stage: Stage, request: httpx.Request) -> httpx.Response:
    right = await stage.right(request)
    body = await right.aread()
    headers = {n: v for n, v in right.headers.items() if n.startswith(("x-", "date"))}
    return httpx.Response(200, headers=headers, content=body[: len(body) // 2])


def relabelled(content_type: str) -> Outage:
    """The right answer under a wrong content type: what counts is what it says."""

    async def outage(stage: Stage, request: httpx.Request) -> httpx.Response:
        right = await stage.right(request)
        right.headers["content-type"] = content_type
        if request.url.path.endswith("/account"):
            stage.note_balance()
        return right

    return outage


def _html(stage: Stage) -> bytes:
    return f"<!DOCTYPE html><html><body>Please log in {stage.key}</body></html>".encode()


def _date_in(seconds: float) -> Callable[[Stage], Mapping[str, str]]:
    return lambda stage: {
        "retry-after": formatdate(stage.gateway_time.now() + seconds, usegmt=True)
    }


def _reset_in(seconds: float) -> Callable[[Stage], Mapping[str, str]]:
    return lambda stage: {
        "x-ratelimit-limit": "50.00",
        "x-ratelimit-remaining": "0.00",
        "x-ratelimit-reset": str(int(stage.gateway_time.now() + seconds)),
    }


MAX_ATTEMPTS = 4
"""What the gateway contract allows in one poll for 500, 502, 503 and 504."""

RATE = "rate_limit_error"
LIMIT = "concurrency_limit"
_DIALECTS = len(DIALECTS[UsageMode.AUTO]) + 1

KINDS = (
    Kind(
        "connection refused",
        raising(httpx.ConnectError, ConnectionRefusedError(111, "refused")),
        Outcome.NETWORK,
    ),
    Kind("reset in mid-body", _reset, Outcome.NETWORK, attempts=2, envelope=False),
    Kind(
        "connection closed without an answer",
        raising(httpx.RemoteProtocolError, ValueError("Server disconnected")),
        Outcome.NETWORK,
        attempts=2,
    ),
    Kind(
        "TLS failure",
        raising(httpx.ConnectError, ssl.SSLCertVerificationError("self-signed")),
        Outcome.NETWORK,
    ),
    Kind(
        "DNS failure",
        raising(httpx.ConnectError, socket.gaierror(-2, "Name or service not known")),
        Outcome.NETWORK,
    ),
    Kind(
        "black hole before the connection",
        raising(httpx.ConnectTimeout, after=10.0),
        Outcome.TIMEOUT,
    ),
    Kind("black hole after the request", raising(httpx.ReadTimeout, after=10.0), Outcome.TIMEOUT),
    Kind("400", answering(400, kind="invalid_request_error"), Outcome.BAD_REQUEST, _DIALECTS),
    Kind("401", answering(401, kind="authentication_error"), Outcome.AUTH, slowly=True),
    Kind(
        "402 (insufficient_balance)",
        with_envelope(402, "insufficient_balance"),
        Outcome.RATE_LIMITED,
        envelope=True,
    ),
    Kind(
        "402 (quota_exceeded)",
        with_envelope(402, "quota_exceeded"),
        Outcome.RATE_LIMITED,
        envelope=True,
    ),
    Kind("403", answering(403, kind="permission_error"), Outcome.AUTH, slowly=True),
    Kind("404", answering(404, kind="not_found_error"), Outcome.BAD_REQUEST),
    Kind(
        "429, window spent, with its reset",
        answering(429, headers=_reset_in(900), kind=RATE),
        Outcome.RATE_LIMITED,
        every=800.0,
    ),
    Kind(
        "429, window spent, Retry-After in seconds",
        answering(429, headers={"retry-after": "200"}, kind=RATE),
        Outcome.RATE_LIMITED,
        every=200.0,
    ),
    Kind(
        "429, window spent, Retry-After as a date",
        answering(429, headers=_date_in(200), kind=RATE),
        Outcome.RATE_LIMITED,
        every=198.0,
    ),
    Kind("429, window spent, no headers", answering(429, kind=RATE), Outcome.RATE_LIMITED),
    Kind(
        "429, window spent, unusable headers",
        answering(429, headers={"retry-after": "soon", "x-ratelimit-reset": "-1e99"}, kind=RATE),
        Outcome.RATE_LIMITED,
    ),
    Kind(
        "429, too many in flight, no headers",
        answering(429, kind=RATE, code=LIMIT),
        Outcome.RATE_LIMITED,
        attempts=3,
    ),
    Kind(
        "429, too many in flight, Retry-After: 3",
        answering(429, headers={"retry-after": "3"}, kind=RATE, code=LIMIT),
        Outcome.RATE_LIMITED,
        attempts=3,
        every=3.0,
    ),
    Kind(
        "429, too many in flight, Retry-After: 300",
        answering(429, headers={"retry-after": "300"}, kind=RATE, code=LIMIT),
        Outcome.RATE_LIMITED,
        every=300.0,
    ),
    *(
        Kind(f"{status}", answering(status), Outcome.SERVER_ERROR, MAX_ATTEMPTS)
        for status in (500, 502, 503, 504)
    ),
    Kind(
        "503 with Retry-After: 120",
        answering(503, headers={"retry-after": "120"}),
        Outcome.SERVER_ERROR,
        every=120.0,
    ),
    Kind("501", answering(501), Outcome.SERVER_ERROR),
    Kind("502 from a proxy, HTML", answering(502, _html), Outcome.SERVER_ERROR, MAX_ATTEMPTS),
    Kind(
        "HTML with status 200",
        answering(200, _html, {"content-type": "text/html"}),
        Outcome.BAD_RESPONSE,
    ),
    Kind("an empty body with status 200", answering(200, b""), Outcome.BAD_RESPONSE),
    Kind("204", answering(204, b""), Outcome.BAD_RESPONSE),
    Kind("half of a JSON text", _truncated, Outcome.BAD_RESPONSE, envelope=True),
    Kind("JSON that is no object", answering(200, b"42"), Outcome.BAD_RESPONSE),
    Kind("JSON of another service", answering(200, b'{"status":"UP"}'), Outcome.BAD_RESPONSE),
    Kind("JSON nested without end", answering(200, b"[" * 200_000), Outcome.BAD_RESPONSE),
    Kind("random bytes", answering(200, random.Random(1).randbytes(5000)), Outcome.BAD_RESPONSE),
    *(
        Kind(
            f"redirect ({status}) to another host",
            answering(status, b"", lambda stage: {"location": f"https://{TRAP}/?key={stage.key}"}),
            Outcome.BAD_RESPONSE,
        )
        for status in (301, 302, 303, 307, 308)
    ),
    Kind("gzip bomb", bomb(), Outcome.BAD_RESPONSE),
    Kind("endless body", endless(), Outcome.BAD_RESPONSE),
    Kind("endless gzip bomb", endless({"content-encoding": "gzip"}), Outcome.BAD_RESPONSE),
    Kind(
        "a compression that was not asked for",
        answering(200, b"\x0b\x02\x80", {"content-encoding": "br"}),
        Outcome.BAD_RESPONSE,
    ),
    Kind("the right answer as text/html", relabelled("text/html"), None, envelope=True),
    Kind("the right answer as image/png", relabelled("image/png"), None, envelope=True),
)

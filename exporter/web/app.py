"""Routes → answers. Everything is read only."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from urllib.parse import parse_qs, unquote

import msgspec

from exporter import __version__
from exporter.clock import Clock
from exporter.errors import StateError
from exporter.ledger.totals import AccountTotals
from exporter.web import exposition
from exporter.web.health import Liveness, Readiness
from exporter.web.style import STYLE_HASH
from exporter.web.view import Totals, Views

log = logging.getLogger(__name__)

TOTALS_SECONDS = 5.0
"""How long the state may take to be read before an answer does without it."""

HTML = "text/html; charset=utf-8"
JSON = "application/json"
TEXT = "text/plain; charset=utf-8"

_POLICY = (
    f"default-src 'none'; style-src '{STYLE_HASH}'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SECURITY = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", _POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


class Request(msgspec.Struct, frozen=True):
    """What an answer may depend on."""

    method: str
    path: str
    query: dict[str, str]
    accept: str
    has_body: bool


class Response(msgspec.Struct, frozen=True):
    """One answer; from `App.answer`, `headers` are those beside what every answer carries."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


class App:
    """The whole site. It holds no state but that the exporter was ready once."""

    def __init__(self, views: Views, totals: Totals, clock: Clock) -> None:
        """`views` gives the objects in force, `totals` what the ledger has committed."""
        self._views = views
        self._totals = totals
        self._clock = clock
        self._readiness = Readiness()
        self._routes: dict[str, Callable[[Request], Awaitable[Response]]] = {
            "/": self._page,
            "/livez": self._livez,
            "/readyz": self._readyz,
            "/metrics": self._metrics,
        }

    async def serve(self, method: str, target: bytes, headers: Mapping[bytes, bytes]) -> Response:
        """The answer to one request as it came, with all its headers. A body is never read.

        `target` is path and query; names of `headers` are in lower case.
        """
        request = _request(method, target, headers)
        response = await self.answer(request)
        complete = _headers(request, response, self._clock.now())
        return msgspec.structs.replace(response, headers=complete)

    async def answer(self, request: Request) -> Response:
        """The answer to one request; a defect of ours costs this answer only."""
        route = self._routes.get(request.path)
        if route is None:
            return Response(404, TEXT, b"not found: try /, /metrics, /livez or /readyz\n")
        if request.method not in {"GET", "HEAD"}:
            return Response(405, TEXT, b"only GET and HEAD\n", ((b"allow", b"GET, HEAD"),))
        try:
            return await route(request)
        except Exception:
            log.exception("%s could not be answered: this is a defect", request.path)
            return Response(500, TEXT, b"internal error: see the exporter's log\n")

    async def _livez(self, request: Request) -> Response:
        uptime = max(0.0, self._clock.now() - self._views().board.started_at)
        return _json(200, Liveness("ok", __version__, round(uptime, 3)))

    async def _readyz(self, request: Request) -> Response:
        body = self._readiness.check(self._views().board)
        return _json(200 if body.ready else 503, body)

    async def _metrics(self, request: Request) -> Response:
        totals = await self._read_totals()
        if isinstance(totals, str):
            return Response(503, TEXT, f"{totals}\n".encode("utf-8", "replace"))
        content_type, body = exposition.expose(
            self._views().board, totals, self._clock.now(), request.accept
        )
        return Response(200, content_type, body)

    async def _page(self, request: Request) -> Response:
        # Few exporters are ever looked at, and the page takes about 1 MiB once it is loaded.
        from exporter.web.display import display  # noqa: PLC0415

        totals = await self._read_totals()
        status, body = display(self._views(), totals, self._clock.now(), request.query)
        return Response(status, HTML, body)

    async def _read_totals(self) -> Mapping[str, AccountTotals] | str:
        """The totals, or in words why they are not to be had."""
        try:
            async with asyncio.timeout(TOTALS_SECONDS):
                return await self._totals()
        except TimeoutError:
            return f"the state did not answer within {TOTALS_SECONDS:.0f} s"
        except StateError as error:
            return str(error)


def _request(method: str, target: bytes, headers: Mapping[bytes, bytes]) -> Request:
    path, _, query = target.decode("ascii", "replace").partition("?")
    fields = parse_qs(query, errors="replace", max_num_fields=None)
    return Request(
        method=method,
        path=unquote(path),
        query={name: values[-1] for name, values in fields.items()},
        accept=headers.get(b"accept", b"").decode("latin-1"),
        has_body=b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0",
    )


def _headers(request: Request, response: Response, now: float) -> tuple[tuple[bytes, bytes], ...]:
    headers = (
        (b"date", formatdate(now, usegmt=True).encode()),
        (b"content-type", response.content_type.encode()),
        (b"content-length", str(len(response.body)).encode()),
        *_SECURITY,
        *response.headers,
    )
    # A body that nobody reads would be taken for the next request.
    return (*headers, (b"connection", b"close")) if request.has_body else headers


def _json(status: int, body: msgspec.Struct) -> Response:
    return Response(status, JSON, msgspec.json.format(msgspec.json.encode(body)) + b"\n")

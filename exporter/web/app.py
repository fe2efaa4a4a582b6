"""Routes → answers. Everything is read only, but that a webhook takes deliveries if configured."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from typing import TYPE_CHECKING

import msgspec

from exporter import __version__
from exporter.clock import Clock
from exporter.errors import StateError
from exporter.ledger.totals import AccountTotals
from exporter.web.health import Liveness, Readiness
from exporter.web.messages import HTML, JSON, NOT_FOUND, TEXT, Request, Response, only
from exporter.web.style import STYLE_HASH
from exporter.web.view import Totals, Views

if TYPE_CHECKING:
    from exporter.web.webhook import Webhook

log = logging.getLogger(__name__)

TOTALS_SECONDS = 5.0
"""How long the state may take to be read before an answer does without it."""

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


class App:
    """The whole site. What it holds outlives a reload: that all was ready once, the webhook."""

    def __init__(self, views: Views, totals: Totals, clock: Clock) -> None:
        """`views` gives the objects in force, `totals` what the ledger has committed."""
        self._views = views
        self._totals = totals
        self._clock = clock
        self._readiness = Readiness()
        self._webhook: Webhook | None = None
        self._routes: dict[str, Callable[[Request], Awaitable[Response]]] = {
            "/": self._page,
            "/livez": self._livez,
            "/readyz": self._readyz,
            "/metrics": self._metrics,
        }

    async def serve(self, request: Request) -> Response:
        """The answer to one request, with all its headers."""
        response = await self.answer(request)
        headers = _headers(request, response, self._clock.now())
        return msgspec.structs.replace(response, headers=headers)

    async def answer(self, request: Request) -> Response:
        """The answer to one request; a defect of ours costs this answer only."""
        route = self._routes.get(request.path)
        methods: tuple[str, ...] = ("GET", "HEAD")
        if self._views().config.webhook.takes(request.path):
            route, methods = self._deliver, ("POST",)
        if route is None:
            return NOT_FOUND
        if request.method not in methods:
            return only(*methods)
        try:
            return await route(request)
        except Exception:
            log.exception("%s could not be answered: this is a defect", request.path)
            return Response(500, TEXT, b"internal error: see the exporter's log\n")

    async def _livez(self, request: Request) -> Response:
        uptime = max(0.0, self._clock.now() - self._views().live.started_at)
        return _json(200, Liveness("ok", __version__, round(uptime, 3)))

    async def _readyz(self, request: Request) -> Response:
        body = self._readiness.check(self._views().live)
        return _json(200 if body.ready else 503, body)

    async def _metrics(self, request: Request) -> Response:
        totals = await self._read_totals()
        if isinstance(totals, str):
            return Response(503, TEXT, f"{totals}\n".encode("utf-8", "replace"))
        # Loaded when it is first asked for: who exports by OTLP is seldom scraped too.
        from exporter.web.exposition import expose  # noqa: PLC0415

        content_type, body = expose(
            self._views().live, totals, self._clock.now(), request.headers.get("accept", "")
        )
        return Response(200, content_type, body)

    async def _page(self, request: Request) -> Response:
        # Few exporters are ever looked at, and the page takes about 1 MiB once it is loaded.
        from exporter.web.display import display  # noqa: PLC0415

        totals = await self._read_totals()
        status, body = display(self._views(), totals, self._clock.now(), request.query)
        return Response(status, HTML, body)

    async def _deliver(self, request: Request) -> Response:
        if self._webhook is None:
            # Loaded with the first delivery, which most exporters never get.
            from exporter.web.webhook import Webhook  # noqa: PLC0415

            self._webhook = Webhook(self._views, self._clock)
        return await self._webhook.answer(request)

    async def _read_totals(self) -> Mapping[str, AccountTotals] | str:
        """The totals, or in words why they are not to be had."""
        try:
            async with asyncio.timeout(TOTALS_SECONDS):
                return await self._totals()
        except TimeoutError:
            return f"the state did not answer within {TOTALS_SECONDS:.0f} s"
        except StateError as error:
            return str(error)


def _headers(request: Request, response: Response, now: float) -> tuple[tuple[bytes, bytes], ...]:
    headers = ((b"date", formatdate(now, usegmt=True).encode()), *_SECURITY, *response.headers)
    if response.status != 204:
        length = str(len(response.body)).encode()
        content_type = response.content_type.encode()
        headers += ((b"content-type", content_type), (b"content-length", length))
    # A body that nobody reads would be taken for the next request.
    return (*headers, (b"connection", b"close")) if request.has_body else headers


def _json(status: int, body: msgspec.Struct) -> Response:
    return Response(status, JSON, msgspec.json.format(msgspec.json.encode(body)) + b"\n")

"""The routes of the HTTP server. All of them only read, but for the webhook."""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from typing import TYPE_CHECKING

import msgspec
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from exporter import __version__, threads
from exporter.clock import Clock
from exporter.config.secret_files import takes_deliveries
from exporter.errors import StateError
from exporter.ledger.totals import AccountTotals
from exporter.metrics import snapshot
from exporter.web.health import Readiness
from exporter.web.hosts import HostCheck
from exporter.web.style import STYLE_HASH
from exporter.web.view import Totals, Views

if TYPE_CHECKING:
    from exporter.web.webhook import WebhookReceiver

log = logging.getLogger(__name__)

TOTALS_SECONDS = 5.0
"""How long the state may take to be read before an answer does without it."""

SHARED_SECONDS = 1.0
"""How long a finished body is given to whoever asks."""

_LEVEL = 4
"""Of gzip: text that repeats itself so much gains little from a higher one."""

_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        f"default-src 'none'; style-src '{STYLE_HASH}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class App:
    """The whole site. It outlives a reload, with what readiness and webhook remember."""

    def __init__(self, views: Views, totals: Totals, clock: Clock) -> None:
        """`views` gives the objects in force, `totals` what the ledger has committed."""
        self._views = views
        self._totals = totals
        self._clock = clock
        self._readiness = Readiness()
        self._exposition = Exposition(self._take)
        self._webhook: WebhookReceiver | None = None
        hosts = Middleware(HostCheck, views)
        self._site = Starlette(
            routes=[
                Route("/", self._page, middleware=[hosts, Middleware(GZipMiddleware)]),
                Route("/metrics", self._metrics, middleware=[hosts]),
                Route("/livez", self._livez),
                Route("/readyz", self._readyz),
            ],
            exception_handlers={HTTPException: _refuse, Exception: _defect},
        )
        self._site.router.redirect_slashes = False
        self._site.router.default = self._elsewhere

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; a defect of ours costs this answer only."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update({"date": formatdate(self._clock.now(), usegmt=True), **_HEADERS})
            await send(message)

        try:
            await self._site(scope, receive, send_with_headers)
        except Exception:
            # Starlette has answered it with `_defect`.
            log.exception("%s could not be answered: this is a defect", scope["path"])

    async def _page(self, request: Request) -> Response:
        # Few exporters are ever looked at, and Jinja2 takes memory once it is loaded.
        from exporter.web.page import render  # noqa: PLC0415

        totals = await self._read_totals()
        status, page = render(self._views(), totals, self._clock.now(), request.query_params)
        return HTMLResponse(page, status)

    async def _metrics(self, request: Request) -> Response:
        # Loaded when it is first asked for: who exports by OTLP is seldom scraped too.
        from prometheus_client.exposition import gzip_accepted  # noqa: PLC0415

        from exporter.metrics import prometheus  # noqa: PLC0415

        openmetrics = prometheus.negotiate(request.headers.get("accept", ""))
        compressed = gzip_accepted(request.headers.get("accept-encoding", ""))
        headers = {
            "content-type": prometheus.OPENMETRICS if openmetrics else prometheus.TEXT,
            "vary": "Accept, Accept-Encoding",
        }
        if compressed:
            headers["content-encoding"] = "gzip"
        return Response(await self._exposition.body(openmetrics, compressed), headers=headers)

    async def _livez(self, request: Request) -> Response:
        uptime = max(0.0, self._clock.now() - self._views().live.started_at)
        body = {"status": "ok", "version": __version__, "uptime_seconds": round(uptime, 3)}
        return _json(200, body)

    async def _readyz(self, request: Request) -> Response:
        body = self._readiness.check(self._views().live)
        return _json(200 if body.ready else 503, body)

    async def _elsewhere(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The webhook, wherever a reload of the configuration has put it."""
        config = self._views().config
        if scope["path"] != config.webhook.path or not takes_deliveries(config):
            raise HTTPException(404)
        if scope["method"] != "POST":
            raise HTTPException(405, headers={"allow": "POST"})
        if self._webhook is None:
            # Loaded with the first delivery, which most exporters never get.
            from exporter.web.webhook import WebhookReceiver  # noqa: PLC0415

            self._webhook = WebhookReceiver(self._views, self._clock)
        response = await self._webhook.answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _take(self) -> snapshot.Snapshot:
        totals = await self._read_totals()
        known = None if isinstance(totals, str) else totals
        return snapshot.take(self._views().live, known, self._clock.now())

    async def _read_totals(self) -> Mapping[str, AccountTotals] | str:
        """The totals, or in words why they are not to be had."""
        try:
            async with asyncio.timeout(TOTALS_SECONDS):
                return await self._totals()
        except TimeoutError:
            return f"the state did not answer within {TOTALS_SECONDS:.0f} s"
        except StateError as error:
            return str(error)


class Exposition:
    """The body of `/metrics`, made once for all who ask within a second.

    Takes snapshots, and renders them in a thread so that polls keep their rhythm.
    """

    def __init__(self, take: Callable[[], Awaitable[snapshot.Snapshot]]) -> None:
        self._take = take
        self._bodies: dict[tuple[bool, bool], asyncio.Task[bytes]] = {}

    async def body(self, openmetrics: bool, compressed: bool) -> bytes:
        """The newest body in this format; `compressed` by gzip."""
        form = (openmetrics, compressed)
        if form not in self._bodies:
            task = asyncio.create_task(self._make(openmetrics, compressed))
            task.add_done_callback(lambda _: self._forget_soon(form))
            self._bodies[form] = task
        # One who hangs up must not take the body away from the others.
        return await asyncio.shield(self._bodies[form])

    async def _make(self, openmetrics: bool, compressed: bool) -> bytes:
        from exporter.metrics import prometheus  # noqa: PLC0415

        taken = await self._take()

        def render() -> bytes:
            body = prometheus.render(taken, openmetrics, process=True)
            return gzip.compress(body, _LEVEL, mtime=0) if compressed else body

        return await threads.call(render)

    def _forget_soon(self, form: tuple[bool, bool]) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(SHARED_SECONDS, self._bodies.pop, form, None)


def _json(status: int, body: object) -> Response:
    text = msgspec.json.format(msgspec.json.encode(body)) + b"\n"
    return Response(text, status, media_type="application/json")


def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code != 405:
        return PlainTextResponse("not found: try /, /metrics, /livez or /readyz\n", 404)
    allowed = ", ".join(sorted(Headers(error.headers or {})["allow"].split(", ")))
    return PlainTextResponse(f"only {allowed}\n", 405, {"allow": allowed})


def _defect(request: Request, error: Exception) -> Response:
    return PlainTextResponse("internal error: see the exporter's log\n", 500)

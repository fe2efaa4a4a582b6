"""The simulated gateway as an ASGI application, and the object that tests and the demo hold."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from functools import partial

from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bytespike_simulator import (
    account_answer,
    key_answer,
    log_answer,
    model_calls,
    rollup_answer,
    stock_answer,
)
from bytespike_simulator.broken_answers import JSON, PAGE, broken, left
from bytespike_simulator.clock import Clock, SystemClock
from bytespike_simulator.control import Control
from bytespike_simulator.faults import Faults
from bytespike_simulator.keys import Key
from bytespike_simulator.model_calls import CHAT, MESSAGES, MODELS, ModelCalls
from bytespike_simulator.options import HEADERS, Options
from bytespike_simulator.query import Query
from bytespike_simulator.refusals import Refusal, refusal
from bytespike_simulator.webhooks import Webhooks
from bytespike_simulator.world import World

ROOT = "/api/v1/me"
KEYS = "/api/v1/keys"
ENDPOINTS = {
    f"{ROOT}/account": "account",
    f"{ROOT}/usage": "usage",
    f"{ROOT}/billing/transactions": "transactions",
    stock_answer.LOG: "usage",
    stock_answer.KEY_ACCOUNT: "account",
    f"{ROOT}/webhooks": "webhooks",
    KEYS: "keys",
    MODELS: "models",
    CHAT: "calls",
    MESSAGES: "calls",
}
"""Paths, and the names under which requests to them are counted and faults are ordered."""

_MINUTE = 60.0
_TICK = 0.5
_NEVER = 1 << 62
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

Answer = Callable[[Request, int, bool], Awaitable[Response]]
"""Answers a request of the key with the given index; the flag says that a fault will hit it."""

Read = Callable[[World, Query, int], bytes]
"""Answers a request that only reads with JSON."""


def _usage(world: World, query: Query, asking: int) -> bytes:
    if world.options.usage == "rollup":
        return rollup_answer.buckets(world, query)
    return log_answer.page(world, query, asking)


_READS: dict[str, Read] = {
    f"{ROOT}/account": account_answer.overview,
    f"{ROOT}/usage": _usage,
    f"{ROOT}/billing/transactions": account_answer.transactions,
    KEYS: key_answer.keys,
    stock_answer.LOG: stock_answer.log,
    stock_answer.KEY_ACCOUNT: stock_answer.key_account,
    MODELS: model_calls.models,
}

_NOT_STOCK = frozenset({f"{ROOT}/account", f"{ROOT}/usage"})
_ONLY_STOCK = frozenset({stock_answer.LOG, stock_answer.KEY_ACCOUNT})


class Simulator:
    """A gateway with one account. Use as an ASGI application; not thread-safe.

    The world catches up with `clock` at each request. `control` adds the routes under
    `/simulator/`, which are no part of the gateway (see `bytespike_simulator.control`).
    """

    def __init__(
        self,
        options: Options | None = None,
        *,
        clock: Clock | None = None,
        control: bool = False,
    ) -> None:
        self.clock: Clock = clock or SystemClock()
        self.options = options or Options()
        self.world = World(self.options, self.clock.now())
        self.faults = Faults()
        self.requests: dict[str, int] = {}
        self.webhooks = Webhooks(self.world)
        self._asked: dict[int, tuple[float, int]] = {}
        self._app = Starlette(routes=self._routes(control))

    @property
    def api_key(self) -> str:
        """The key that an exporter polls with: the first one. It opens nothing real."""
        return self.world.keys[0].secret

    async def live(self) -> None:
        """Let the world keep up with the clock in small steps, until cancelled."""
        while True:
            self.world.advance(self.clock.now())
            await self.clock.sleep(_TICK)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.world.advance(self.clock.now())
        await self._app(scope, receive, send)

    def _routes(self, controlled: bool) -> list[Route]:
        calls = ModelCalls(self.world, self.clock)
        posts = {
            f"{ROOT}/webhooks": self.webhooks.subscribe,
            CHAT: calls.answer,
            MESSAGES: calls.answer,
        }
        routes = Control(self.world, self.faults, self.requests).routes() if controlled else []
        for path, read in _READS.items():
            routes.append(Route(path, partial(self._serve, self._reading(read))))
        for path, answer in posts.items():
            routes.append(Route(path, partial(self._serve, answer), methods=["POST"]))
        routes.append(Route("/{path:path}", partial(self._serve, None), methods=_METHODS))
        return routes

    def _reading(self, read: Read) -> Answer:
        async def reading(request: Request, asking: int, _: bool) -> Response:
            path, dialect = request.url.path, self.options.dialect
            if path in (_NOT_STOCK if dialect == "stock" else _ONLY_STOCK):
                raise refusal("no_route")
            body = read(self.world, request.query_params, asking)
            if dialect != "documented" and path.startswith("/api/"):
                body = b'{"code":0,"message":"success","data":%b}' % body
            return Response(body, media_type=JSON)

        return reading

    async def _serve(self, answer: Answer | None, request: Request) -> ASGIApp:
        """What a request gets: the right answer, or what a fault makes of it."""
        endpoint = ENDPOINTS.get(request.url.path, "unknown")
        self.requests[endpoint] = self.requests.get(endpoint, 0) + 1
        fault = self.faults.take(endpoint)
        fails = fault is not None and fault.kind != "delay"
        if self.options.state == "challenge":
            return HTMLResponse(PAGE, 403)
        key = self._key(request)
        try:
            right = await self._right(answer, request, key, fails)
        except Refusal as no:
            plain = self.options.dialect == "documented"
            shape = self.options.errors if plain else "wrapped"
            right = Response(no.body(shape), no.status, no.headers, JSON)
        told = {"date": formatdate(self.clock.now(), usegmt=True)}
        if key is not None:
            told |= account_answer.envelope(self.world, key)
        if self.options.state == "concurrency":
            told.pop(HEADERS["reset"], None)
        right.headers.update(told)
        if fault is not None:
            if fails:
                return broken(fault, right, told)
            await self._wait(fault.seconds, request)
        if self.options.gzip:
            return GZipMiddleware(
                right, minimum_size=1024, compresslevel=1, thread_minimum_size=_NEVER
            )
        return right

    async def _right(
        self, answer: Answer | None, request: Request, key: Key | None, fails: bool
    ) -> Response:
        """The right answer. Raises Refusal."""
        if answer is None:
            raise refusal("no_route")
        if key is None:
            raise refusal("revoked")
        if request.url.path.startswith(ROOT):
            self._count(key)
        if self.options.state != "ok":
            raise refusal(self.options.state)
        return await answer(request, self.world.keys.index(key), fails)

    async def _wait(self, seconds: float, request: Request) -> None:
        """Let time pass, but no longer than the client stays."""
        waiting = asyncio.ensure_future(self.clock.sleep(seconds))
        leaving = asyncio.ensure_future(left(request.receive))
        await asyncio.wait((waiting, leaving), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        leaving.cancel()

    def _key(self, request: Request) -> Key | None:
        """Whose key the request carries: of four places the first one that holds any."""
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        sent = (
            request.headers.get("x-api-key")
            or (bearer if scheme.lower() == "bearer" else "")
            or request.headers.get("x-goog-api-key")
            or request.query_params.get("key")
        )
        return next((key for key in self.world.keys if key.secret == sent), None)

    def _count(self, key: Key) -> None:
        """Refuse what is beyond the requests a minute of this key."""
        limit, now = self.options.rpm_limit, self.clock.monotonic()
        began, count = self._asked.get(key.id, (now, 0))
        if now - began >= _MINUTE:
            began, count = now, 0
        self._asked[key.id] = began, count + 1
        if limit and count >= limit:
            wait = str(int(began + _MINUTE - now) + 1)
            refused = refusal("too_many")
            refused.headers = {"retry-after": wait}
            raise refused

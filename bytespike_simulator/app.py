"""The simulated gateway as an ASGI application, and the object that tests and the demo hold."""

from __future__ import annotations

from collections.abc import Callable

from bytespike_simulator import account_answer, calls, control, misbehave
from bytespike_simulator.asgi import Receive, Request, Response, Scope, Send
from bytespike_simulator.calls import Calls
from bytespike_simulator.cast import Key
from bytespike_simulator.faults import Fault, Faults
from bytespike_simulator.log_answer import LogAnswer
from bytespike_simulator.options import Options
from bytespike_simulator.rollup_answer import RollupAnswer
from bytespike_simulator.webhooks import Webhooks
from bytespike_simulator.wire import Query, Refusal, refusal
from bytespike_simulator.world import World
from exporter.clock import Clock, SystemClock

ROOT = "/api/v1/me"
USAGE = f"{ROOT}/usage"
ENDPOINTS = {
    f"{ROOT}/account": "account",
    USAGE: "usage",
    f"{ROOT}/billing/transactions": "transactions",
    f"{ROOT}/notifications": "notifications",
    f"{ROOT}/notifications/unread-count": "notifications",
    calls.MODELS: "models",
    calls.CHAT: "calls",
    calls.MESSAGES: "calls",
    f"{ROOT}/webhooks": "webhooks",
}
_POSTED = ("calls", "webhooks")
_ANSWERS: dict[str, Callable[[World, Query], bytes]] = {
    calls.MODELS: calls.models,
    f"{ROOT}/account": account_answer.account,
    f"{ROOT}/billing/transactions": account_answer.transactions,
    f"{ROOT}/notifications": account_answer.notifications,
    f"{ROOT}/notifications/unread-count": account_answer.unread_count,
}
_UNFINISHED = ("hang", "stall", "close", "huge")
_MINUTE = 60.0

_NOT_FOUND = Refusal(404, "not_found_error", "no such route")


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
        self._control = control
        self._log = LogAnswer(self.world)
        self._rollup = RollupAnswer(self.world)
        self._calls = Calls(self.world, self.clock)
        self._asked: dict[int, tuple[float, int]] = {}

    @property
    def api_key(self) -> str:
        """The key that an exporter polls with: the first one. It opens nothing real."""
        return self.world.keys[0].secret

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = Request.of(scope, receive)
        self.world.advance(self.clock.now())
        if self._control and request.path.startswith(control.PREFIX):
            await (await control.answer(self, request)).send(send)
            return
        endpoint = ENDPOINTS.get(request.path, "unknown")
        self.requests[endpoint] = self.requests.get(endpoint, 0) + 1
        fault = self.faults.take(endpoint)
        key = self._key(request)
        fails = fault is not None and fault.kind != "delay"
        response = await self._answer(request, key, fails)
        if fault is None or not fails:
            if fault is not None:
                await self.clock.sleep(fault.seconds)
            if self.options.gzip and "gzip" in request.headers.get("accept-encoding", ""):
                response.compress()
            await response.send(send)
        else:
            await self._fail(fault, response, request, key, send)

    async def _fail(
        self, fault: Fault, right: Response, request: Request, key: Key | None, send: Send
    ) -> None:
        if fault.kind in _UNFINISHED:
            await misbehave.misbehave(fault, right, request, send)
        else:
            await misbehave.answer(fault, right, self._envelope(key)).send(send)

    async def _answer(self, request: Request, key: Key | None, fails: bool) -> Response:
        """The right answer: the envelope comes with it, success or failure."""
        try:
            response = await self._right(request, key, fails)
        except Refusal as no:
            body = no.body(self.options.wrap_errors)
            response = Response(no.status, body, list(no.headers))
        response.headers[:0] = self._envelope(key)
        return response

    async def _right(self, request: Request, key: Key | None, fails: bool) -> Response:
        endpoint = ENDPOINTS.get(request.path)
        if endpoint is None or request.method != ("POST" if endpoint in _POSTED else "GET"):
            raise _NOT_FOUND
        content = await calls.content(request) if endpoint == "calls" else b""
        if key is None:
            raise refusal("revoked")
        if request.path.startswith(ROOT):
            self._count(key)
        if self.options.state != "ok":
            raise refusal(self.options.state)
        index = self.world.keys.index(key)
        if endpoint == "calls":
            return self._calls.answer(request, content, index, fails)
        if endpoint == "webhooks":
            return Response(200, self.webhooks.subscribe(await request.body()))
        query = Query(request.query)
        if request.path == USAGE:
            return Response(200, self._usage(query, index))
        return Response(200, _ANSWERS[request.path](self.world, query))

    def _usage(self, query: Query, asking: int) -> bytes:
        if self.options.usage == "rollup":
            return self._rollup.buckets(query)
        return self._log.page(query, asking)

    def _key(self, request: Request) -> Key | None:
        """Whose key the request carries; `x-api-key` wins over `Authorization`."""
        sent = request.headers.get("x-api-key")
        if sent is None:
            scheme, _, sent = request.headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer":
                return None
        return next((key for key in self.world.keys if key.secret == sent), None)

    def _envelope(self, key: Key | None) -> list[tuple[str, str]]:
        return [] if key is None else account_answer.envelope(self.world, key)

    def _count(self, key: Key) -> None:
        """Refuse what is beyond the requests a minute of this key."""
        limit, now = self.options.rpm_limit, self.clock.monotonic()
        began, count = self._asked.get(key.id, (now, 0))
        if now - began >= _MINUTE:
            began, count = now, 0
        self._asked[key.id] = began, count + 1
        if limit and count >= limit:
            wait = str(int(began + _MINUTE - now) + 1)
            raise Refusal(
                429,
                "rate_limit_error",
                "too many requests a minute",
                headers=(("retry-after", wait),),
            )

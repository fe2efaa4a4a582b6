"""Requests in, responses out: one plain function, for a transport as for a socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from email.utils import formatdate

import httpx

from tests.second_gateway.gateway.account_shape import (
    account_answer,
    envelope,
    keys_answer,
    movements_answer,
    stock_answer,
)
from tests.second_gateway.gateway.asked import range_of
from tests.second_gateway.gateway.books import Books, Call, Key, Movement
from tests.second_gateway.gateway.log_shape import log_answer
from tests.second_gateway.gateway.rollup_shape import rollup_answer
from tests.second_gateway.gateway.spelling import BadRequestError
from tests.second_gateway.gateway.switches import Shape, Switches

SECONDS = "seconds"
"""The response extension that says how long this answer takes."""

ACCOUNT = "/api/v1/me/account"
TRANSACTIONS = "/api/v1/me/billing/transactions"
KEYS = "/api/v1/keys"
REASONS = {
    "wallet": (402, "insufficient_balance", "Your balance is used up"),
    "cap": (402, "quota_exceeded", "This key has reached its quota"),
    "5h": (429, "rate_limit_error", "rate_limit_5h reached, wait for the reset"),
    "1d": (429, "rate_limit_error", "rate_limit_1d reached, wait for the reset"),
    "7d": (402, "rate_limit_error", "rate_limit_7d reached, wait for the reset"),
    "flight": (429, "concurrency_limit", "Too many requests at once"),
    "requests": (429, "rate_limit_error", "Slow down"),
    "address": (403, "permission_error", "This IP address may not use the key"),
    "organization": (403, "permission_error", "The organization of this key is paused"),
}
"""Why a request is refused (section 6): status, code and message."""

SLOW = 600.0
"""Seconds for a range that is too long: more than any client waits."""


class RefusedError(Exception):
    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status, self.kind = status, kind


class Gateway:
    """Answers requests from `books`, at the time of `clock` plus its own offset.

    `asked` is every request so far. `before` is called with each one before it is answered.
    Ids are counted from `first`: no two gateways share one.
    """

    def __init__(
        self, clock: Callable[[], float], switches: Switches | None = None, first: int = 0
    ) -> None:
        self.clock = clock
        self.switches = switches or Switches()
        self.books = Books()
        self.asked: list[tuple[float, httpx.URL]] = []
        self.before: list[Callable[[httpx.Request], None]] = []
        self._number = first

    def now(self) -> float:
        return self.clock() + self.switches.clock_offset

    def turn(self, **switches: object) -> None:
        self.switches = replace(self.switches, **switches)  # type: ignore[arg-type]  # by name

    def spend(
        self,
        key: Key,
        usd: str,
        model: str = "claude-sonnet-4-6",
        *,
        at: float | None = None,
        seen_from: float | None = None,
        **more: object,
    ) -> str:
        """One call, at the gateway's time now unless said; its request id."""
        self._number += 1
        now = self.now()
        call = Call(
            now if at is None else at,
            -1,
            f"req_{self._number:08}",
            key.id,
            key.user.owner,
            key.user.id,
            model,
            Decimal(usd),
        )
        call = replace(call, **more)  # type: ignore[arg-type]  # token counts, by name
        self.books.add(call, seen_from=max(call.at, now if seen_from is None else seen_from))
        return call.request_id

    def move(
        self,
        key: Key,
        usd: str,
        kind: str = "topup",
        *,
        status: str | None = None,
        at: float | None = None,
        id: int | None = None,
    ) -> Movement:
        """A movement, or with the `id` of a known one, that one changed."""
        self._number += 1
        known = self.books.movements.get(id or 0)
        when = known.at if known else self.now() if at is None else at
        movement = Movement(
            id or 900_000 + self._number, when, key.user.owner, kind, Decimal(usd), status
        )
        return self.books.move(movement)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        for each in self.before:
            each(request)
        now = self.now()
        self.books.settle(now)
        self.asked.append((now, request.url))
        key = self._key(request)
        status, seconds = 200, self.switches.seconds_an_answer
        try:
            body = self._wrapped(self._body(request, key))
            seconds += self._slowness(request)
        except RefusedError as refused:
            status, body = refused.status, self._refusal(refused)
        except BadRequestError as bad:
            status = 400
            body = self._refusal(RefusedError(400, "invalid_request_error", str(bad)))
        most = self.switches.largest_answer
        if most is not None and len(body) > most:
            status, body = 502, b"<html>502 Bad Gateway</html>"
        headers = {"Content-Type": "application/json"}
        if self.switches.date_header:
            headers["Date"] = formatdate(now, usegmt=True)
        if status in (429, 503) and self.switches.requests_a_minute is not None:
            headers["Retry-After"] = "1"
        if key is not None:
            headers |= envelope(self.books, key, self.switches, now)
        headers |= self.switches.extra_headers
        if self._reason(request.url.path) == "flight":
            headers.pop("X-RateLimit-Reset", None)
        if body[:1] == b"<":
            headers["Content-Type"] = "text/html; charset=utf-8"
        return httpx.Response(
            status, headers=headers, content=body, extensions={SECONDS: seconds}, request=request
        )

    def _key(self, request: httpx.Request) -> Key | None:
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        secret = request.headers.get("x-api-key") or bearer
        found = (one for one in self.books.keys.values() if one.secret == secret)
        return next(found, None)

    def _body(self, request: httpx.Request, key: Key | None) -> object:
        path = request.url.path
        self._refuse(path)
        if key is None:
            raise RefusedError(401, "authentication_error", "unknown key")
        self._throttle()
        query = dict(request.url.params)
        shape = self._shape(path)
        now, turn = self.now(), len(self.asked)
        if shape == "log":
            return log_answer(self.books, key, query, self.switches, now=now, turn=turn)
        if shape == "rollup":
            return rollup_answer(self.books, key, query, self.switches, now=now, turn=turn)
        if shape == "stock":
            return stock_answer(self.books, key, now)
        if path == ACCOUNT and self.switches.account != "none":
            return account_answer(self.books, key, self.switches)
        if path == TRANSACTIONS:
            return movements_answer(self.books, key, query, self.switches, now)
        if path == KEYS and self.switches.lists_keys:
            return keys_answer(self.books, key, query, self.switches, now)
        if path == "/api/v1/me/notifications":
            return {"items": [], "total": 0, "page": 1, "page_size": 20}
        raise RefusedError(404, "not_found_error", "no such route")

    def _refuse(self, path: str) -> None:
        status = self.switches.failing.get(path, self.switches.failing.get("*"))
        if status is not None:
            raise RefusedError(status, "insufficient_balance", "not now")
        reason = self._reason(path)
        if reason is not None:
            raise RefusedError(*REASONS[reason])

    def _reason(self, path: str) -> str | None:
        return self.switches.refusing.get(path, self.switches.refusing.get("*"))

    def _shape(self, path: str) -> Shape:
        return {
            "/api/v1/me/usage": self.switches.me_usage,
            "/api/v1/usage": self.switches.api_usage,
            "/v1/usage": self.switches.v1_usage,
        }.get(path, "none")

    def _throttle(self) -> None:
        most = self.switches.requests_a_minute
        now = self.now()
        if most is not None and sum(at > now - 60 for at, _ in self.asked[-most - 1 :]) > most:
            raise RefusedError(429, "rate_limit_error", "too many requests")

    def _slowness(self, request: httpx.Request) -> float:
        most = self.switches.slow_beyond_hours
        if most is None or self._shape(request.url.path) == "none":
            return 0.0
        now = self.now()
        asked = range_of(dict(request.url.params), self.switches, now)
        hours = (min(asked.until, now) - asked.since) / 3600
        return SLOW if asked.bounded and hours > most else 0.0

    def _wrapped(self, body: object) -> bytes:
        if self.switches.wrap == "code":
            body = {"code": 0, "message": "success", "data": body}
        elif self.switches.wrap == "success":
            body = {"success": True, "data": body}
        return json.dumps(body).encode()

    def _refusal(self, why: RefusedError) -> bytes:
        error = {"type": why.kind, "message": str(why)}
        body: object
        match self.switches.error_body:
            case "openai":
                body = {"error": error}
            case "anthropic":
                kind = "permission_error" if why.status == 402 else why.kind
                body = {"type": "error", "error": error | {"type": kind, "code": why.kind}}
            case "google":
                body = {"error": {"code": why.status, "message": str(why), "status": why.kind}}
            case "wrapped":
                body = {"code": why.status, "message": str(why), "reason": why.kind}
            case "html":
                return b"<!doctype html><title>Just a moment</title>"
            case "nothing":
                return b""
        return json.dumps(body).encode()

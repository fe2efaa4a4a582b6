"""A clock that never waits, and a client whose gateway is one plain function."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx

from exporter.config.types import Account, Gateway, Usage, UsageMode
from exporter.gateway.client import GatewayClient, open_http
from exporter.gateway.readings import Envelope
from tests.clock import VirtualClock

KEY = "sk-byts-0123456789abcdefMARKED9f3c"
MASKED = "sk-byts-…9f3c"
NOW = 1_779_372_491.0
Handler = Callable[[httpx.Request], httpx.Response]
T = TypeVar("T")


class Bench:
    """One account's client, its clock, and everything that went in and out."""

    def __init__(
        self,
        handler: Handler,
        *,
        mode: UsageMode = UsageMode.AUTO,
        credits_per_usd: int | None = 1_000_000,
        timeout: float = 10.0,
        budget: int = 100_000,
        base_url: str = "https://gateway.test",
        key_file: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.clock = VirtualClock(NOW, skips=True)
        self.requests: list[httpx.Request] = []
        self.envelopes: list[Envelope] = []
        self._handler = handler
        self._http = open_http(timeout, transport=httpx.MockTransport(self._answer))
        account = Account(
            "prod",
            base_url,
            api_key_env=None if key_file else "BYTESPIKE_API_KEY",
            api_key_file=key_file,
        )
        self.client = GatewayClient(
            self._http,
            account,
            Gateway(timeout=timeout, max_requests_per_minute=budget),
            Usage(mode=mode, credits_per_usd=credits_per_usd),
            self.clock,
            self.envelopes.append,
            {"BYTESPIKE_API_KEY": KEY} if environ is None else environ,
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self._handler(request)

    @property
    def queries(self) -> list[dict[str, str]]:
        """The query of every request so far."""
        return [dict(request.url.params) for request in self.requests]

    def account(self) -> Any:
        return run(self.client.account())

    def usage(self, since: float = NOW - 7200, until: float = NOW) -> list[Any]:
        return run(collect(self.client.usage(since, until)))

    def transactions(self, since: float = NOW - 7200, until: float = NOW) -> list[Any]:
        return run(collect(self.client.transactions(since, until)))


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


async def collect(pages: AsyncIterator[T]) -> list[T]:
    return [page async for page in pages]


def reply(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Handler:
    """A gateway that always gives the same JSON."""
    return raw(json.dumps(body).encode(), status, headers)


def raw(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Handler:
    """A gateway that always gives the same bytes."""

    def handler(request: httpx.Request) -> httpx.Response:
        # As a stream: `content=` would be decoded by httpx before anybody reads it.
        stream = httpx.ByteStream(body)
        return httpx.Response(status, stream=stream, headers=dict(headers or {}))

    return handler


FINE = reply({"balance": 1})


def script(*answers: Handler) -> Handler:
    """A gateway that gives these answers in turn, and the last one for ever."""
    left = list(answers)

    def handler(request: httpx.Request) -> httpx.Response:
        return (left.pop(0) if len(left) > 1 else left[0])(request)

    return handler


def row(number: int, **changes: object) -> dict[str, object]:
    """A usage row `number` seconds before now, as the gateway documents it."""
    stamp = NOW - 1 - number
    documented: dict[str, object] = {
        "request_id": f"req_{number:06}",
        "created_at": rfc(stamp),
        "model": "claude-sonnet-4-6",
        "api_key": {"id": 17, "name": "prod-vision", "masked": "sk-byts-…9f3c"},
        "prompt_tokens": 1820,
        "completion_tokens": 244,
        "credits": 9120,
    }
    return documented | changes


def bucket(**changes: object) -> dict[str, object]:
    """An hour bucket, as the gateway documents it."""
    documented: dict[str, object] = {
        "bucket": "2026-05-21T14:00:00Z",
        "model": "claude-sonnet-4-6",
        "api_key": "sk-byts-…9f3c",
        "total_usd": 2.10,
        "input_tokens": 88000,
        "output_tokens": 11200,
        "call_count": 142,
    }
    return documented | changes


def transaction(number: int, **changes: object) -> dict[str, object]:
    """A wallet movement `number` seconds before now."""
    documented: dict[str, object] = {
        "id": 900_000 - number,
        "created_at": rfc(NOW - 1 - number),
        "kind": "topup",
        "amount_usd": 50.00,
        "balance_after_usd": 81.40,
        "note": None,
    }
    return documented | changes


def rfc(seconds: float) -> str:
    """A Unix time in RFC 3339, to the second."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def paged(
    rows: list[dict[str, object]], size: int = 200, paging: Mapping[str, object] | None = None
) -> Handler:
    """A gateway that serves `rows` by page number; `paging` overrides what it says of itself."""

    def handler(request: httpx.Request) -> httpx.Response:
        page = int(request.url.params.get("page", "1"))
        shown = rows[(page - 1) * size : page * size]
        said = {"total": len(rows), "page": page, "page_size": size} | dict(paging or {})
        # Not `json=`: a gateway that lies may say NaN.
        return httpx.Response(200, text=json.dumps({"items": shown} | said))

    return handler

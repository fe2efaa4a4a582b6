"""A clock that stands still, and a client that asks a simulator in the same process."""

import asyncio
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import httpx

from bytespike_simulator import Simulator, quiet
from tests.clock import VirtualClock

NOW = 1_779_372_491.0
"""2026-05-21T14:08:11Z."""

HOUR = 1_779_372_000
"""2026-05-21T14:00:00Z."""


def still() -> VirtualClock:
    """Time moves only when somebody sleeps or sets it."""
    return VirtualClock(NOW, skips=True)


def ask(
    simulator: Simulator,
    path: str,
    params: Mapping[str, str | int] | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    method: str = "GET",
    body: object = None,
) -> httpx.Response:
    """One request, with the simulator's own key unless `headers` are given.

    `path` is below `/api/v1/me/` unless it begins with a slash; a `body` of bytes is sent as it is.
    """
    if headers is None:
        headers = {"x-api-key": simulator.api_key}

    async def asking() -> httpx.Response:
        transport = httpx.ASGITransport(app=simulator)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            where = path if path.startswith("/") else f"/api/v1/me/{path}"
            return await client.request(
                method, where, params=params, headers=headers, content=content
            )

    return asyncio.run(asking())


def answer(response: httpx.Response) -> Any:
    """The JSON body, its numbers exact."""
    return json.loads(response.content, parse_float=Decimal)


def credits(amount: Decimal | int) -> int:
    """USD on the wire as credits; fails if it is not a whole number of them."""
    scaled = Decimal(amount) * 1_000_000
    assert scaled == int(scaled)
    return int(scaled)


def simulator(**options: bool | int | float | str) -> Simulator:
    """One in which nothing happens by itself, and time stands still."""
    return Simulator(quiet(**options), clock=still())

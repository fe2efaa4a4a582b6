"""Many accounts ask at once: who waits, where, and for whom."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from exporter.errors import GatewayTimeoutError
from exporter.gateway.exchange import (
    MAX_REQUESTS,
    MAX_REQUESTS_TO_ONE,
    HttpClient,
    exchange,
    open_http,
)
from exporter.secrets import Secret
from tests.clock import settle

pytestmark = pytest.mark.anyio

KEY = Secret("sk-byts-0123456789abcdef01234567")


class Gateways(httpx.AsyncBaseTransport):
    """Answers nobody until `gate` is set; `asked` are the hosts in the order of the requests."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.asked: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.host)
        await self.gate.wait()
        return httpx.Response(200, content=b"{}")


def ask(
    http: HttpClient, host: str, times: int, seconds: float = 60.0
) -> list[asyncio.Task[object]]:
    return [
        asyncio.create_task(exchange(http, f"https://{host}/api/v1/me/account", KEY, seconds))
        for _ in range(times)
    ]


async def test_a_host_gets_so_many_requests_at_once_and_the_others_in_turn() -> None:
    gateways = Gateways()
    async with open_http(transport=gateways) as http:
        tasks = ask(http, "one.example", 500)
        await settle()
        assert len(gateways.asked) == MAX_REQUESTS_TO_ONE
        gateways.gate.set()
        await asyncio.gather(*tasks)
    assert len(gateways.asked) == 500


async def test_a_host_that_hangs_does_not_hold_up_another() -> None:
    gateways = Gateways()
    async with open_http(transport=gateways) as http:
        tasks = ask(http, "hangs.example", 500)
        await settle()
        tasks += ask(http, "works.example", 1)
        await settle()
        assert gateways.asked[-1] == "works.example"
        gateways.gate.set()
        await asyncio.gather(*tasks)


async def test_all_hosts_together_get_no_more_than_the_pool_holds() -> None:
    gateways = Gateways()
    async with open_http(transport=gateways) as http:
        tasks = [task for number in range(500) for task in ask(http, f"{number}.example", 1)]
        await settle()
        assert len(gateways.asked) == MAX_REQUESTS
        gateways.gate.set()
        await asyncio.gather(*tasks)


async def test_waiting_for_a_turn_is_not_taken_for_a_slow_gateway() -> None:
    gateways = Gateways()
    async with open_http(transport=gateways) as http:
        slow = ask(http, "one.example", MAX_REQUESTS_TO_ONE, seconds=0.6)
        patient = ask(http, "one.example", 1, seconds=0.4)
        results = await asyncio.gather(*slow, return_exceptions=True)
        gateways.gate.set()
        await asyncio.gather(*patient)
    assert all(isinstance(result, GatewayTimeoutError) for result in results)


async def test_who_gives_up_while_waiting_takes_nobodys_turn() -> None:
    gateways = Gateways()
    async with open_http(transport=gateways) as http:
        tasks = ask(http, "one.example", MAX_REQUESTS_TO_ONE)
        given_up = ask(http, "one.example", 200)
        await settle()
        for task in given_up:
            task.cancel()
        await asyncio.gather(*given_up, return_exceptions=True)
        gateways.gate.set()
        await asyncio.gather(*tasks, *ask(http, "one.example", MAX_REQUESTS_TO_ONE))
    assert len(gateways.asked) == 2 * MAX_REQUESTS_TO_ONE

"""The second gateway is independent, and speaks the contract."""

from __future__ import annotations

import ast
from pathlib import Path

import httpx
import pytest

from tests.second_gateway.gateway import Gateway, Key, Switches, User, as_asgi

HERE = Path(__file__).parent
NOON = 1_779_364_800.0


def imported(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("." * node.level + (node.module or ""))
    return names


@pytest.mark.parametrize("file", sorted((HERE / "gateway").glob("*.py")), ids=lambda one: one.stem)
def test_the_second_gateway_knows_neither_exporter_nor_simulator_nor_other_tests(
    file: Path,
) -> None:
    own = "tests.second_gateway.gateway"
    foreign = ("exporter", "bytespike_simulator", "tests", ".")
    assert not [
        one for one in imported(file) if one.startswith(foreign) and not one.startswith(own)
    ]


@pytest.fixture
def gateway() -> Gateway:
    made = Gateway(lambda: NOON)
    made.books.add_key(Key(17, "sk-byts-abcdefghijklmnop9f3c", "prod", User(88, "ada")))
    return made


def ask(gateway: Gateway, path: str, **query: object) -> httpx.Response:
    client = httpx.Client(transport=httpx.MockTransport(gateway), base_url="http://gateway")
    key = next(iter(gateway.books.keys.values())).secret
    params = {name: str(value) for name, value in query.items()}
    return client.get(path, params=params, headers={"x-api-key": key})


def test_a_row_of_the_log_is_written_as_the_contract_has_it(gateway: Gateway) -> None:
    gateway.spend(gateway.books.keys[17], "0.00912", at=NOON - 60, input_tokens=1820)
    answer = ask(gateway, "/api/v1/me/usage", limit=20).json()
    assert answer == {
        "items": [
            {
                "request_id": "req_00000001",
                "created_at": "2026-05-21T11:59:00.000Z",
                "model": "claude-sonnet-4-6",
                "api_key": {"id": 17, "name": "prod", "masked": "sk-byts-…9f3c"},
                "prompt_tokens": 1820,
                "completion_tokens": 10,
                "credits": 9120,
            }
        ],
        "total": 1,
        "page": 1,
        "page_size": 20,
    }


def test_a_rollup_sums_by_hour_model_and_key(gateway: Gateway) -> None:
    gateway.turn(me_usage="rollup")
    for minutes in (1, 59, 61):
        gateway.spend(gateway.books.keys[17], "1.05", at=NOON - 60 * minutes)
    answer = ask(gateway, "/api/v1/me/usage", group_by="hour,model,api_key").json()
    hours = [(one["bucket"], one["total_usd"], one["call_count"]) for one in answer["buckets"]]
    assert hours == [("2026-05-21T10:00:00Z", 1.05, 1), ("2026-05-21T11:00:00Z", 2.1, 2)]
    assert answer["buckets"][0]["api_key"] == "sk-byts-…9f3c"
    assert answer["totals"]["total_usd"] == 3.15


def test_pages_past_the_end_are_empty_or_the_last_again(gateway: Gateway) -> None:
    for second in range(5):
        gateway.spend(gateway.books.keys[17], "1", at=NOON - second)
    sizes = {"limit": 2, "page": 4}
    assert ask(gateway, "/api/v1/me/usage", **sizes).json()["items"] == []
    gateway.turn(past_end="last")
    assert len(ask(gateway, "/api/v1/me/usage", **sizes).json()["items"]) == 1


def test_rows_of_one_second_come_in_another_order_in_each_answer(gateway: Gateway) -> None:
    gateway.turn(shuffles_seconds=True)
    for _ in range(20):
        gateway.spend(gateway.books.keys[17], "1", at=NOON - 5)
    orders = {
        tuple(one["request_id"] for one in ask(gateway, "/api/v1/me/usage").json()["items"])
        for _ in range(5)
    }
    assert len(orders) == 5


def test_an_unknown_key_is_refused_and_every_answer_tells_the_time(gateway: Gateway) -> None:
    gateway.books.rotate(17, "sk-byts-zzzzzzzzzzzzzzzz1111")
    answer = httpx.Client(transport=httpx.MockTransport(gateway)).get(
        "http://gateway/api/v1/me/account", headers={"x-api-key": "sk-byts-abcdefghijklmnop9f3c"}
    )
    assert answer.status_code == 401
    assert answer.headers["Date"] == "Thu, 21 May 2026 12:00:00 GMT"


def test_a_movement_that_changed_moves_the_wallet_by_the_difference(gateway: Gateway) -> None:
    key = gateway.books.keys[17]
    first = gateway.move(key, "50", status="pending")
    assert ask(gateway, "/api/v1/me/account").json()["balance"]["available_usd"] == 100
    gateway.move(key, "50", status="completed", id=first.id)
    assert ask(gateway, "/api/v1/me/account").json()["balance"]["available_usd"] == 150


@pytest.mark.anyio
async def test_it_answers_the_same_as_an_asgi_application(gateway: Gateway) -> None:
    gateway.switches = Switches(wrap="code")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(as_asgi(gateway)), base_url="http://gateway"
    ) as client:
        answer = await client.get(
            "/api/v1/me/account", headers={"x-api-key": gateway.books.keys[17].secret}
        )
    assert answer.json() == ask(gateway, "/api/v1/me/account").json()

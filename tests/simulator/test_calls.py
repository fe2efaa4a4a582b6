"""Model calls: their two dialects, what they cost, and what refuses or breaks them."""

import asyncio
from collections.abc import Mapping

import httpx
import pytest

from bytespike_simulator import Fault, Simulator, quiet, running
from bytespike_simulator.keys import Window
from bytespike_simulator.wallet import CREDITS
from tests.simulator.fakes import ask, simulator

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
ROUTES = (CHAT, MESSAGES)
MODEL = "claude-sonnet-4-6"


def wish(**more: object) -> dict[str, object]:
    greeting = [{"role": "user", "content": "Hello"}]
    return {"model": MODEL, "messages": greeting, "max_tokens": 50} | more


def call(
    made: Simulator,
    route: str = CHAT,
    *,
    headers: Mapping[str, str] | None = None,
    **more: object,
) -> httpx.Response:
    return ask(made, route, method="POST", headers=headers, body=wish(**more))


def billed(made: Simulator) -> tuple[int, int]:
    """Calls and credits; log, rollup, truth and wallet agree on them."""
    truth = made.world.truth()
    spent = 100 * CREDITS - truth.wallet.available
    assert truth.wallet.held == truth.in_flight == 0
    assert spent == truth.credits == sum(row.credits for row in made.world.rows_between(0, 1e11))
    assert spent == sum(sums.credits for _, sums in made.world.sums(0, 1e11))
    return truth.rows, spent


def test_a_chat_completion_has_openais_form_and_is_billed() -> None:
    made = simulator(answer_tokens=3)
    body = call(made).json()
    assert body["object"] == "chat.completion"
    assert body["model"] == MODEL
    [choice] = body["choices"]
    assert choice["message"] == {"role": "assistant", "content": "0 1 2 "}
    assert choice["finish_reason"] == "stop"
    [row] = made.world.rows_between(0, 1e11)
    assert body["usage"] == {
        "prompt_tokens": row.prompt,
        "completion_tokens": 3,
        "total_tokens": row.prompt + 3,
    }
    assert billed(made) == (1, made.world.model(MODEL).cost(row.prompt, 3))


def test_a_whole_answers_envelope_has_its_own_charge_taken_off() -> None:
    made = simulator(caps=True)
    headers = call(made).headers
    left = 50 * CREDITS - made.world.truth().credits
    assert headers["x-ratelimit-remaining"] == f"{left // 10_000 / 100:.2f}" == "49.99"


def test_a_call_is_charged_to_the_key_that_made_it_and_x_api_key_wins() -> None:
    made = simulator()
    first, second = made.world.keys[:2]
    call(made, headers={"x-api-key": second.secret, "authorization": f"Bearer {first.secret}"})
    call(made, headers={"authorization": f"bearer {second.secret}"})
    assert [usage.key_id for usage in made.world.truth().usage] == [second.id]
    response = call(made, headers={"authorization": "Bearer unknown"})
    assert response.status_code == 401
    assert response.json()["error"]["type"] == "authentication_error"


@pytest.mark.parametrize(
    ("lacking", "status", "kind"),
    [
        ("wallet", 402, "insufficient_balance"),
        ("window", 429, "rate_limit_error"),
        ("key", 402, "quota_exceeded"),
        ("model", 402, "quota_exceeded"),
    ],
)
@pytest.mark.parametrize("route", ROUTES)
def test_a_call_is_refused_for_what_does_not_leave_its_worst_case(
    route: str, lacking: str, status: int, kind: str
) -> None:
    made = simulator()
    key = made.world.keys[0]
    match lacking:
        case "wallet":
            made.world.transaction("admin_debit", 400 - made.world.wallet.available)
        case "window":
            key.windows = [Window(5 * 3600, 400)]
        case "key":
            key.quota = 400
        case "model":
            made.world.model(MODEL).cap = 400
    response = call(made, route, stream=True)
    assert response.status_code == status
    error = response.json()["error"]
    assert error["type"] == kind
    assert lacking in error["message"]
    assert made.world.truth().rows == 0
    assert call(made, route, max_tokens=1).status_code == 200
    assert made.world.truth().rows == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", ["status", "truncated", "empty"])
def test_a_call_that_meets_a_fault_is_not_billed(kind: str, stream: bool) -> None:
    made = simulator()
    made.faults.add(Fault(kind=kind, endpoint="calls", times=1))  # type: ignore[arg-type]
    call(made, stream=stream)
    assert billed(made) == (0, 0)
    call(made, stream=stream)
    assert billed(made)[0] == 1


@pytest.mark.anyio
async def test_money_is_held_for_a_stream_until_its_client_leaves() -> None:
    made = Simulator(quiet(token_seconds=0.005, answer_tokens=5_000))
    headers = {"x-api-key": made.api_key}
    async with running(made) as url, httpx.AsyncClient(base_url=url) as client:
        streaming = client.stream(
            "POST", CHAT, json=wish(stream=True, max_tokens=None), headers=headers
        )
        async with streaming as response:
            lines = response.aiter_lines()
            assert (await anext(lines)).startswith("data: {")
            assert made.world.wallet.held > 0
            await lines.aclose()  # type: ignore[attr-defined]
        async with asyncio.timeout(5):
            while made.world.in_flight:  # noqa: ASYNC110  (a world knows no event)
                await asyncio.sleep(0.005)
    assert made.world.wallet.held == 0
    assert made.world.truth().rows == 0

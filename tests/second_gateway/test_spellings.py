"""Whatever a gateway calls things, and wherever it has them, usage counts whole and once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.second_gateway.scene import HOUR, MINUTE, A, B, Scene

pytestmark = pytest.mark.anyio

# -- 23: addresses, spellings and wrapped answers ------------------------------------------------

STOCK: dict[str, Any] = {
    "me_usage": "none",
    "api_usage": "log",
    "v1_usage": "stock",
    "account": "none",
    "wrap": "code",
    "range_by": "dates",
    "largest_size": 100,
    "too_large": "default",
    "tokens": "stock",
    "charge": "actual_cost",
    "row_key": "id_field",
    "error_body": "wrapped",
}

DIALECTS: dict[str, dict[str, Any]] = {
    "documented log": {"me_usage": "log"},
    "documented rollup": {"me_usage": "rollup"},
    "log elsewhere": {"me_usage": "none", "api_usage": "log"},
    "log of the quickstart": {"me_usage": "none", "v1_usage": "log"},
    "wrapped, in dollars": {"wrap": "success", "tokens": "stock", "charge": "actual_cost"},
    "stock": STOCK,
}


async def spent_in(scene: Scene, calls: int) -> None:
    """Spend 0.0123 USD with each call, seconds apart, and wait until it is polled."""
    for number in range(calls):
        model = A if number % 2 else B
        scene.spend("0.0123", model, cache_read_tokens=7, cache_creation_tokens=3)
        await scene.wait(1)
    await scene.wait(5 * MINUTE)


@pytest.mark.parametrize("switches", DIALECTS.values(), ids=DIALECTS.keys())
async def test_the_same_is_counted_in_every_dialect(scene: Scene, switches: dict[str, Any]) -> None:
    scene.gateway.turn(**switches)
    scene.spend("5", at=scene.now - HOUR)
    await scene.start()
    await scene.wait(2 * MINUTE)
    await spent_in(scene, 250)
    assert scene.counted() == 3.075
    assert scene.increase("usage.tokens", token_type="input") == 25_000
    assert scene.increase("usage.tokens", token_type="output") == 2_500
    assert scene.rejected() == 0
    assert scene.up() == scene.up("account") == 1


async def test_tokens_of_caches_count_where_rows_tell_them_and_are_absent_elsewhere(
    scene: Scene,
) -> None:
    await scene.start()
    await scene.wait(2 * MINUTE)
    await spent_in(scene, 3)
    assert scene.newest("usage.tokens", token_type="cache_read") == {}
    scene.gateway.turn(tokens="stock")
    scene.spend("1", "another-model", cache_read_tokens=7, cache_creation_tokens=3)
    await scene.wait(5 * MINUTE)
    here = {"request_model": "another-model"}
    assert scene.increase("usage.tokens", **here, token_type="cache_read") == 7
    assert scene.increase("usage.tokens", **here, token_type="cache_creation") == 3


async def test_a_wallet_is_read_from_the_keys_own_account_and_its_lifetime_spend_is_unknown(
    scene: Scene,
) -> None:
    scene.gateway.turn(**STOCK)
    await scene.start()
    await spent_in(scene, 10)
    assert scene.gauge("wallet.balance") == 99.877
    assert scene.newest("wallet.spend") == {}


async def test_an_answer_in_no_known_dialect_is_told_by_its_names_and_no_value(
    scene: Scene,
) -> None:
    scene.gateway.turn(me_usage="stock")
    await scene.start()
    await scene.wait(2 * MINUTE)
    assert scene.up() == 0
    assert scene.told("in no known dialect", '"rate_limits"', '"model_stats"', "expected a list")
    assert not scene.told("unrestricted")


async def test_an_address_that_is_gone_is_looked_for_elsewhere(scene: Scene) -> None:
    await scene.start()
    await spent_in(scene, 5)
    scene.gateway.turn(me_usage="none", api_usage="log")
    await spent_in(scene, 5)
    assert scene.counted() == 0.123
    asked = [url.path for at, url in scene.gateway.asked if at > scene.now - 90]
    assert "/api/v1/me/usage" not in asked
    assert scene.up() == 1

"""What is told of a refusal, whichever shape the gateway writes it in."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.second_gateway.gateway import Key
from tests.second_gateway.scene import MINUTE, Scene, key_of

pytestmark = pytest.mark.anyio

# -- 22: refusals in every documented shape ----------------------------------------------------

SHAPES = ("openai", "anthropic", "google", "wrapped")
SAID = {
    "wallet": ("out_of_money", "the wallet is empty"),
    "cap": ("out_of_money", "the key's lifetime cap is reached"),
    "5h": ("rate_limited", "spend window of 5 hours is used up until 2026-05-21 "),
    "1d": ("rate_limited", "spend window of 1 day is used up until 2026-05-22 00:00:00 UTC"),
    "7d": ("out_of_money", "spend window of 7 days is used up until "),
    "flight": ("rate_limited", "too many calls of the account are in flight"),
    "requests": ("rate_limited", "too many management requests"),
    "address": ("auth", "this machine's IP address is not allowed"),
    "organization": ("auth", "the key's organization is paused"),
}


def limited(scene: Scene, window: str) -> Key:
    """The key of the scene, with a spend window of 40 USD."""
    return scene.gateway.books.add_key(key_of(scene.key.user, limits=((window, Decimal(40)),)))


def polls(scene: Scene, outcome: str) -> float | None:
    """How many polls of the account have ended so."""
    return scene.gauge("exporter.polls", endpoint="account", outcome=outcome)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("reason", SAID)
async def test_a_refusal_is_told_and_counted_for_what_it_is(
    scene: Scene, shape: Any, reason: str
) -> None:
    limited(scene, reason if reason in ("5h", "1d", "7d") else "1d")
    await scene.start()
    await scene.wait(3 * MINUTE)
    scene.gateway.turn(error_body=shape, refusing={"*": reason})
    await scene.wait(6 * MINUTE)
    outcome, words = SAID[reason]
    assert scene.told("account poll failed", words)
    counted = {other: polls(scene, other) for other, _ in SAID.values()}
    assert [other for other, count in counted.items() if count] == [outcome]
    assert scene.up("account") == (outcome == "out_of_money")


@pytest.mark.parametrize("status", [403, 503])
async def test_a_challenge_in_front_is_no_refused_key(scene: Scene, status: int) -> None:
    await scene.start()
    await scene.wait(3 * MINUTE)
    scene.gateway.turn(error_body="html", failing={"*": status})
    await scene.wait(6 * MINUTE)
    assert scene.told("account poll failed", "something in front of the gateway has answered")
    assert not polls(scene, "auth")
    scene.gateway.turn(failing={})
    await scene.wait(3 * MINUTE)
    assert scene.up("account") == 1


async def test_limits_on_a_402_are_readings(scene: Scene) -> None:
    limited(scene, "1d")
    await scene.start()
    await scene.wait(3 * MINUTE)
    scene.gateway.turn(refusing={"*": "wallet"})
    scene.spend("15")
    await scene.wait(6 * MINUTE)
    assert scene.gauge("rate_limit.remaining") == 25

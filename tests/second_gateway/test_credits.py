"""Micro-USD or USD: what rows say in credits is counted as what it cost."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.second_gateway.scene import MINUTE, Scene

pytestmark = pytest.mark.anyio

MICRO, USD = "1,000,000 credits are 1 USD", "1 credit is 1 USD"


def told(scene: Scene, words: str) -> list[str]:
    return [line for line in scene.lines() if words in line]


# -- 12: what is spelled otherwise


@pytest.mark.parametrize(("charge", "unit"), [("micro", MICRO), ("usd", USD)])
@pytest.mark.parametrize("calls", [{"usd": "0.01"}, {"usd": "3", "input_tokens": 50_000}])
async def test_the_first_answer_tells_the_unit_by_a_tokens_price(
    scene: Scene, charge: str, unit: str, calls: dict[str, Any]
) -> None:
    scene.gateway.turn(charge=charge)
    await scene.start()
    await scene.wait(90)
    scene.spend(**calls)
    await scene.wait(2 * MINUTE)
    assert scene.counted() == float(calls["usd"])
    await scene.restart()
    scene.spend("2", input_tokens=0, output_tokens=0)
    await scene.wait(5 * MINUTE)
    assert scene.counted() == float(calls["usd"]) + 2


@pytest.mark.parametrize("charge", ["micro", "usd"])
@pytest.mark.parametrize("restarts", [False, True], ids=["", "restarted"])
async def test_rows_without_tokens_wait_until_lifetime_spend_moves(
    scene: Scene, charge: str, restarts: bool
) -> None:
    scene.gateway.turn(charge=charge)
    await scene.start()
    await scene.wait(90)
    scene.spend("2", input_tokens=0, output_tokens=0)
    if restarts:
        await scene.wait(20)
        await scene.restart()
    await scene.wait(4 * MINUTE)
    assert scene.counted() == 2
    assert not told(scene, "nothing in 10 polls")


async def test_where_nothing_tells_the_unit_it_is_the_documented_one_and_that_is_said(
    scene: Scene,
) -> None:
    scene.gateway.turn(account="number")
    await scene.start()
    await scene.wait(90)
    scene.spend("2", input_tokens=0, output_tokens=0)
    await scene.wait(5 * MINUTE)
    assert scene.counted() == 0
    await scene.wait(10 * MINUTE)
    assert scene.counted() == 2
    assert len(told(scene, "nothing in 10 polls")) == 1


async def test_a_state_that_has_counted_rows_keeps_its_unit_and_a_contradiction_is_told(
    scene: Scene,
) -> None:
    scene.gateway.turn(charge="micro")
    await scene.start()
    await scene.wait(90)
    scene.spend("0.01")
    await scene.wait(3 * MINUTE)
    await scene.stop()
    with closing(sqlite3.connect(scene.folder / "state" / "bytespike.db")) as db:
        db.executescript("DROP TABLE credit_unit; PRAGMA user_version = 2")
    await scene.start()
    scene.gateway.turn(charge="usd")
    for _ in range(6):
        scene.spend("1.5", input_tokens=50_000)
        await scene.wait(2 * MINUTE)
    assert scene.counted() < 0.02
    assert told(scene, "by the growth of lifetime spend 1 credit is 1 USD")

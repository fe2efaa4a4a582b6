"""A gateway that knows no hours: what of the day in which counting began is ours."""

from __future__ import annotations

from typing import Any

import pytest

from tests.second_gateway.scene import HOUR, MINUTE, A, B, Scene

pytestmark = pytest.mark.anyio

Lifetimes = pytest.mark.parametrize("lifetime", ["moves", "absent", "stands"])


# -- 12: days, zones and spellings of time


def by_days(scene: Scene, lifetime: Any) -> None:
    scene.gateway.turn(me_usage="rollup", lifetime=lifetime, knows_hours=False)


@Lifetimes
async def test_a_day_that_was_empty_at_the_start_is_ours_as_a_whole(
    scene: Scene, lifetime: Any
) -> None:
    by_days(scene, lifetime)
    await scene.until(50 * MINUTE)
    await scene.start()
    await scene.wait(3 * MINUTE)
    scene.spend("10", A)
    await scene.wait(15 * MINUTE)
    scene.spend("3", B)
    await scene.wait(15 * MINUTE)
    assert scene.counted() == 13


@Lifetimes
@pytest.mark.parametrize("restarts", [False, True], ids=["runs on", "restarts"])
async def test_what_was_spent_earlier_in_the_day_is_not_ours(
    scene: Scene, lifetime: Any, restarts: bool
) -> None:
    by_days(scene, lifetime)
    scene.spend("5", A)
    await scene.until(50 * MINUTE)
    await scene.start()
    await scene.wait(3 * MINUTE)
    if restarts:
        await scene.restart()
    scene.spend("1", A)
    await scene.wait(2 * HOUR)
    scene.spend("0.1", B)
    await scene.wait(15 * MINUTE)
    assert scene.counted() == 1.1

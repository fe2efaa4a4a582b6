"""A gateway that knows no hours: what of the day in which counting began is ours."""

from __future__ import annotations

from typing import Any

import pytest

from tests.second_gateway.scene import HOUR, MINUTE, A, B, Scene

pytestmark = pytest.mark.anyio


# -- 12: days, zones and spellings of time


@pytest.mark.parametrize("before", ["0", "5"], ids=["", "spent before"])
@pytest.mark.parametrize("minute", [0, 50])
@pytest.mark.parametrize("lifetime", ["moves", "absent"])
async def test_of_the_first_day_what_lifetime_spend_tells_is_counted_or_it_is_told(
    scene: Scene, lifetime: Any, minute: int, before: str
) -> None:
    scene.gateway.turn(me_usage="rollup", lifetime=lifetime, knows_hours=False)
    if before != "0":
        scene.spend(before, A, at=scene.now - HOUR)
    await scene.until(minute * MINUTE)
    await scene.start()
    await scene.wait(3 * MINUTE)
    scene.spend("1", A)
    await scene.wait(2 * HOUR)
    scene.spend("0.1", B)
    await scene.wait(15 * MINUTE)
    whole = scene.counted() == 1.1
    assert whole or (lifetime == "absent" and scene.told("USD of the hour in which counting began"))
    assert scene.counted() in (1.1, 0.1)

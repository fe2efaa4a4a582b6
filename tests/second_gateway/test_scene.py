"""With nothing out of the ordinary, the exporter and the second gateway agree."""

from __future__ import annotations

from typing import Any

import pytest

from tests.second_gateway.scene import MINUTE, A, B, Scene

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("shape", ["log", "rollup"])
@pytest.mark.parametrize("wrap", ["", "code", "success"])
async def test_what_is_spent_is_counted_by_model(scene: Scene, shape: Any, wrap: Any) -> None:
    scene.gateway.turn(me_usage=shape, wrap=wrap)
    await scene.start()
    await scene.wait(3 * MINUTE)
    scene.spend("1.25", A)
    scene.spend("0.000001", B)
    await scene.wait(30 * MINUTE)
    await scene.restart()
    scene.spend("2", A)
    await scene.wait(3 * MINUTE)
    assert scene.by_model() == {A: 3.25, B: 0.000001}
    assert scene.increase() == 3.250001
    assert scene.up() == 1
    assert scene.gauge("wallet.balance") == pytest.approx(96.749999)
    assert scene.lines() == []

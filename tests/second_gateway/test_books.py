"""The books against the second gateway: what it bills, what it takes back, what it announces."""

from __future__ import annotations

import json

import pytest

from tests.second_gateway.scene import DAY, HOUR, MINUTE, Scene

pytestmark = pytest.mark.anyio


async def request(
    scene: Scene, request_id: str, out: pytest.CaptureFixture[str]
) -> tuple[bool, str]:
    """Whether it is well, and the verdict."""
    out.readouterr()
    well = await scene.request_is_well(request_id)
    found = json.loads(out.readouterr().out)["requests"]
    return well, found[0]["verdict"] if found else "not found"


async def month(scene: Scene, out: pytest.CaptureFixture[str]) -> tuple[bool, list[str]]:
    """Whether nothing parts, and what does, with the day."""
    out.readouterr()
    well = await scene.may_is_well()
    said = json.loads(out.readouterr().out)["findings"]
    return well, [f"{one['day']}: {one['said']}" for one in said]


@pytest.mark.parametrize("where", ["me_usage", "api_usage", "v1_usage"])
async def test_a_request_is_found_wherever_the_log_is(
    scene: Scene, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.gateway.turn(**{"me_usage": "rollup", where: "log"})
    await scene.start()
    await scene.wait(HOUR)
    request_id = scene.spend("1.47")
    await scene.wait(5 * MINUTE)
    well, verdict = await request(scene, request_id, capsys)
    assert well, verdict
    assert verdict.startswith("counted")


async def test_requests_that_need_not_be_counted_are_no_error(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    before = scene.spend("1.00")
    await scene.wait(10 * MINUTE)
    await scene.start()
    await scene.wait(5 * MINUTE)
    well, verdict = await request(scene, before, capsys)
    assert (well, verdict[:19]) == (True, "older than counting")
    counted = scene.spend("2.00")
    well, verdict = await request(scene, counted, capsys)
    assert (well, verdict[:12]) == (True, "not read yet")
    scene.pace("30m")
    await scene.reload()
    await scene.wait(5 * DAY)
    scene.spend("1.00")
    await scene.wait(HOUR)
    assert (await request(scene, counted, capsys))[0]


async def test_a_request_that_should_have_been_counted_and_was_not_is_an_error(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    await scene.start()
    await scene.wait(5 * MINUTE)
    await scene.stop()
    lost = scene.spend("2.00")
    await scene.wait(HOUR)
    assert await request(scene, lost, capsys) == (False, "not counted, and should be")
    assert await request(scene, "req_nobody", capsys) == (False, "not found")


@pytest.mark.parametrize("shape", ["log", "rollup"])
async def test_a_day_on_which_less_was_counted_is_named(
    scene: Scene, shape: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.gateway.turn(me_usage=shape)
    scene.pace("30m")
    await scene.start()
    for _ in range(4):
        scene.spend("1.50")
        await scene.wait(DAY)
    assert await month(scene, capsys) == (True, [])
    scene.spend("0.25", at=scene.now - 3 * DAY + 60)
    well, said = await month(scene, capsys)
    assert not well
    assert [line for line in said if "counted 0.25 USD less" in line] == [
        "2026-05-22: counted 0.25 USD less than the gateway tells"
    ]


async def test_what_is_announced_is_told_and_is_no_money(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    await scene.start()
    await scene.wait(5 * MINUTE)
    id_ = scene.gateway.move(scene.key, "50", status="pending").id
    await scene.wait(5 * MINUTE)
    assert scene.gauge("billing.pending.amount", kind="topup") == 50
    assert scene.gauge("billing.pending.transactions", kind="topup") == 1
    await scene.movements("topup")
    [row] = json.loads(capsys.readouterr().out)["transactions"]
    assert (row["status"], row["amount_usd"]) == ("pending", 50.0)
    scene.gateway.move(scene.key, "50", status="failed", id=id_)
    await scene.wait(5 * MINUTE)
    assert scene.gauge("billing.pending.transactions", kind="topup") is None
    assert scene.gauge("billing.last_failure.timestamp", kind="topup") is not None
    assert scene.increase("billing.transactions") == 0

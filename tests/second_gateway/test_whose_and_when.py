"""Whose money it is, and when it was spent: other wallets, clocks, identities, old states."""

from __future__ import annotations

from typing import Any

import pytest

from tests.second_gateway.gateway import Org, User
from tests.second_gateway.scene import ADA, DAY, EVE, HOUR, MINUTE, A, B, Scene, key_of

pytestmark = pytest.mark.anyio

USAGE = "/api/v1/me/usage"
ADA_THERE = User(88, "ada")
ADA_AT_WORK = User(88, "ada", "enterprise", Org(5, "Example AI"))


# -- 13: another wallet -----------------------------------------------------------------


async def with_history(scene: Scene, shape: Any) -> Any:
    """Ada and Eve have spent for two days; 26 USD of Ada's are counted.

    Gives Eve's key.
    """
    scene.gateway.turn(me_usage=shape)
    eve = scene.gateway.books.add_key(key_of(EVE, 40, "eeee"), topped_up="500")
    scene.pace("30m")
    await scene.start()
    for hour in range(52):
        await scene.wait(HOUR)
        if hour < 48:
            scene.spend("1.5", B, key=eve)
        if hour % 2 == 0:
            scene.spend("1", A)
    scene.pace("60s")
    await scene.reload()
    await scene.wait(5 * MINUTE)
    assert scene.counted(request_model=A) == 26
    return eve


@pytest.mark.parametrize("shape", ["log", "rollup"])
@pytest.mark.parametrize("how", ["key file", "key file, restarted", "reloaded"])
async def test_another_users_key_counts_from_the_change_on(
    scene: Scene, shape: Any, how: str
) -> None:
    eve = await with_history(scene, shape)
    if "restarted" in how:
        await scene.stop()
    if how == "reloaded":
        scene.settings["accounts"] = [scene.account("eve", eve)]
        scene.settings["accounts"][0]["name"] = "prod"
        await scene.reload()
    else:
        scene.put_key("prod", eve)
    if "restarted" in how:
        await scene.start()
    await scene.wait(10 * MINUTE)
    scene.spend("2", B, key=eve)
    await scene.a_day()
    assert scene.increase() == 28
    assert scene.told("88", "99") or scene.told("ada", "eve")


@pytest.mark.parametrize("shape", ["log", "rollup"])
async def test_another_wallet_begins_a_new_stream(scene: Scene, shape: Any) -> None:
    eve = await with_history(scene, shape)
    changed = scene.now
    before = next(iter(scene.newest("wallet.spend").values()))
    scene.put_key("prod", eve)
    await scene.wait(5 * MINUTE)
    scene.spend("2", B, key=eve)
    await scene.a_day()
    newest = scene.newest("usage.cost", request_model=B)
    assert [sample.value for sample in newest.values()] == [2]
    assert all(sample.start >= changed for sample in newest.values())
    spend = list(scene.newest("wallet.spend").values())
    assert len(spend) == 1
    assert spend[0].start != before.start
    assert spend[0].value == 74  # Eve's 72 USD of before, and 2


@pytest.mark.parametrize("shape", ["log", "rollup"])
@pytest.mark.parametrize("restarts", [False, True], ids=["", "restarted"])
async def test_two_accounts_that_swap_their_keys_pay_each_for_itself(
    scene: Scene, shape: Any, restarts: bool
) -> None:
    eve = scene.gateway.books.add_key(key_of(EVE, 40, "eeee"), topped_up="500")
    scene.settings["accounts"].append(scene.account("other", eve))
    await with_history(scene, shape)
    scene.spend("4", B, key=eve)
    await scene.wait(5 * MINUTE)
    scene.put_key("prod", eve)
    scene.put_key("other", scene.key)
    if restarts:
        await scene.restart()
    await scene.wait(5 * MINUTE)
    scene.spend("1", A)
    scene.spend("2", B, key=eve)
    await scene.a_day()
    assert scene.increase(account_name="prod") == 26 + 2
    assert scene.increase(account_name="other") == 72 + 5


@pytest.mark.parametrize("shape", ["log", "rollup"])
@pytest.mark.parametrize(("same_user", "how"), [(True, "reloaded"), (False, "restarted")])
async def test_another_gateway_behind_a_name_counts_from_the_change_on(
    scene: Scene, shape: Any, same_user: bool, how: str
) -> None:
    there = scene.another_gateway(me_usage=shape)
    key = key_of(ADA_THERE if same_user else EVE, 17 if same_user else 40)
    there.books.add_key(key, topped_up="500")
    scene.gateways[4002] = there
    await with_history(scene, shape)
    for hours in range(2, 49):
        there.spend(key, "1.5", B, at=scene.now - hours * HOUR)
    scene.settings["gateway"]["base_url"] = "http://localhost:4002"
    await (scene.reload() if how == "reloaded" else scene.restart())
    await scene.wait(10 * MINUTE)
    there.spend(key, "2", B)
    await scene.a_day()
    assert scene.increase() == 28
    assert scene.told("prod", "gateway") or scene.told("88", "99") or scene.told("ada", "eve")


@pytest.mark.parametrize("shape", ["log", "rollup"])
async def test_the_history_of_a_name_is_not_paid_for_by_its_new_wallet(
    scene: Scene, shape: Any
) -> None:
    eve = await with_history(scene, shape)
    scene.put_key("prod", eve)
    for _ in range(12):
        scene.spend("0.5", B, key=eve)
        await scene.wait(5 * MINUTE)
    await scene.a_day()
    scene.put_key("prod", scene.key)
    await scene.wait(2 * HOUR)
    scene.spend("3", A)
    await scene.a_day()
    assert 34.5 <= scene.increase() <= 35  # what was spent in the minute of the change may lack


# -- 14: one wallet twice ---------------------------------------------------------------


@pytest.mark.parametrize("twice", ["one key", "two keys of one user", "two users of one org"])
async def test_two_names_for_one_wallet_are_warned_of(
    scene: Scene, twice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    key = scene.key
    if twice.startswith("two keys"):
        key = scene.gateway.books.add_key(key_of(ADA, 18, "aaaa"))
    elif twice.startswith("two users"):
        org = Org(5, "Example AI")
        books = scene.gateway.books
        first = books.add_key(key_of(User(1, "one", "enterprise", org), 51, "1111"))
        key = books.add_key(key_of(User(2, "two", "enterprise", org), 52, "2222"))
        scene.settings["accounts"] = [scene.account("prod", first)]
    scene.settings["accounts"].append(scene.account("second", key))
    await scene.start()
    await scene.wait(5 * MINUTE)
    await scene.stop()
    assert scene.told("prod", "second")
    await scene.check()
    said = capsys.readouterr().out
    assert [line for line in said.splitlines() if "prod" in line and "second" in line]


async def test_an_account_says_whose_it_is(scene: Scene) -> None:
    eve = scene.gateway.books.add_key(key_of(EVE, 40, "eeee"))
    scene.settings["accounts"].append(scene.account("second", eve))
    await scene.start()
    await scene.wait(5 * MINUTE)
    assert scene.gauge("account.info", account_name="prod", user_id="88") == 1
    assert scene.gauge("account.info", account_name="second", user_id="99") == 1
    assert not scene.told("prod", "second")


# -- 15: clocks -------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["log", "rollup"])
@pytest.mark.parametrize(("days", "restarts"), [(-10, False), (-2, True), (2, False), (10, True)])
async def test_a_wrong_clock_at_the_first_start_counts_nothing_twice_and_loses_nothing(
    scene: Scene, shape: Any, days: int, restarts: bool
) -> None:
    scene.gateway.turn(me_usage=shape)
    for hours in range(1, 240, 10):
        scene.spend("1", A, at=scene.now - hours * HOUR)
        scene.gateway.move(scene.key, "10", at=scene.now - hours * HOUR)
    scene.ahead = days * DAY
    await scene.start()
    await scene.wait(10 * MINUTE)
    scene.spend("0.4", A)
    await scene.wait(5 * MINUTE)
    scene.ahead = 0
    if restarts:
        await scene.restart()
    await scene.wait(5 * MINUTE)
    scene.spend("0.6", A)
    scene.gateway.move(scene.key, "25")
    await scene.wait(10 * MINUTE)
    await scene.a_day()
    # A series whose start lies in the future waits until the clock has passed it.
    scene.pace("3h")
    await scene.reload()
    await scene.wait(8 * HOUR + max(0, days) * DAY)
    assert scene.counted() == 1
    assert scene.increase("billing.amount") == 25


@pytest.mark.parametrize("days", [-3, 3], ids=["back", "on"])
@pytest.mark.parametrize("shape", ["log", "rollup"])
async def test_a_clock_that_is_set_later_counts_nothing_twice_and_loses_nothing(
    scene: Scene, shape: Any, days: int
) -> None:
    scene.gateway.turn(me_usage=shape)
    await scene.start()
    for step in (0, days, days, 0):
        scene.ahead = step * DAY
        await scene.wait(3 * MINUTE)
        scene.spend("1", A)
        await scene.wait(10 * MINUTE)
    await scene.wait(HOUR)
    assert scene.counted() == 4


async def test_a_clock_of_1970_costs_no_requests(scene: Scene) -> None:
    scene.ahead = 1000.0 - scene.now
    await scene.start()
    await scene.wait(HOUR)
    assert len(scene.gateway.asked) < 60 * 3 * 2
    scene.ahead = 0
    scene.spend("1", A)
    await scene.wait(10 * MINUTE)
    assert scene.counted() == 1


@pytest.mark.parametrize("ahead", [-DAY, -90.0, 30.0, 90.0, DAY])
async def test_a_difference_of_clocks_is_shown_and_over_a_minute_warned_of(
    scene: Scene, ahead: float
) -> None:
    scene.ahead = ahead
    await scene.start()
    await scene.wait(10 * MINUTE)
    assert scene.gauge("gateway.clock_offset") == pytest.approx(-ahead, abs=2)
    assert scene.told("clock") == (abs(ahead) > MINUTE)


@pytest.mark.parametrize("shape", ["log", "rollup"])
async def test_nothing_waits_for_a_date_that_no_answer_bears(scene: Scene, shape: Any) -> None:
    scene.gateway.turn(me_usage=shape, date_header=False)
    await scene.start()
    await scene.wait(3 * MINUTE)
    scene.spend("1", A)
    await scene.wait(3 * MINUTE)
    assert scene.counted() == 1
    assert scene.gauge("gateway.clock_offset") is None


# -- 16: identity from outside ----------------------------------------------------------


@pytest.mark.parametrize(
    "attributes",
    ["service.instance.id=ns.pod-{}.app", "service.name=bytespike,service.instance.id=pod-{}"],
)
async def test_the_ledgers_identity_wins_over_one_from_outside(
    scene: Scene, attributes: str
) -> None:
    for number in range(3):
        scene.settings["environ"] = {"OTEL_RESOURCE_ATTRIBUTES": attributes.format(number)}
        await scene.start()
        await scene.wait(3 * MINUTE)
        scene.spend("2", A)
        await scene.wait(3 * MINUTE)
        await scene.stop()
    assert len(scene.receiver.instances) == 1
    assert "pod" not in scene.receiver.instances[0]
    assert scene.increase() == 6


# -- 17: an older state -----------------------------------------------------------------


@pytest.mark.parametrize("shape", ["log", "rollup"])
@pytest.mark.parametrize("down", [0, 20], ids=["", "usage down"])
@pytest.mark.parametrize("hours", [0, 5], ids=["at once", "hours later"])
async def test_a_restored_state_makes_no_receiver_count_twice(
    scene: Scene, shape: Any, down: int, hours: int
) -> None:
    scene.gateway.turn(me_usage=shape)
    await scene.start()
    await scene.wait(3 * MINUTE)
    scene.spend("10", A)
    await scene.wait(3 * MINUTE)
    await scene.stop()
    scene.keep_state()
    await scene.start()
    scene.spend("5", A)
    await scene.wait(3 * MINUTE)
    assert scene.counted() == 15
    await scene.stop()
    await scene.wait(hours * HOUR)
    scene.restore_state()
    scene.gateway.turn(failing={USAGE: 503} if down else {})
    await scene.start()
    await scene.wait(down * MINUTE)
    if down:
        assert scene.newest("usage.cost") == {}
        assert scene.gauge("wallet.balance") == 85
    scene.gateway.turn(failing={})
    await scene.wait(20 * MINUTE)
    assert scene.counted() == 15
    assert scene.increase() == 15

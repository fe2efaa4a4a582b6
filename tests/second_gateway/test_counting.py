"""Each row, bucket and movement counts once, whatever it does after it was seen first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.second_gateway.scene import ADA, DAY, HOUR, MINUTE, A, B, Scene, key_of

pytestmark = pytest.mark.anyio

Trouble = Callable[[Scene], Awaitable[None]]
C = "gemini-3-pro"
USAGE = "/api/v1/me/usage"


def switched(minutes: float, **switches: Any) -> Trouble:
    """The gateway is otherwise for so long."""

    async def trouble(scene: Scene) -> None:
        before = scene.gateway.switches
        scene.gateway.turn(**switches)
        await scene.wait(minutes * MINUTE)
        scene.gateway.switches = before

    return trouble


def for_one_answer(**switches: Any) -> Trouble:
    """The next answer about usage is otherwise."""

    async def trouble(scene: Scene) -> None:
        before, asked = scene.gateway.switches, 0

        def turn(request: httpx.Request) -> None:
            nonlocal asked
            asked += request.url.path == USAGE
            scene.gateway.switches = replace(before, **switches) if asked == 1 else before

        scene.gateway.before.append(turn)
        await scene.wait(3 * MINUTE)
        scene.gateway.before.remove(turn)

    return trouble


def for_good(**switches: Any) -> Trouble:
    async def trouble(scene: Scene) -> None:
        scene.gateway.turn(**switches)

    return trouble


def with_restart(**switches: Any) -> Trouble:
    async def trouble(scene: Scene) -> None:
        before = scene.gateway.switches
        scene.gateway.turn(**switches)
        await scene.wait(2 * MINUTE)
        await scene.restart()
        await scene.wait(2 * MINUTE)
        scene.gateway.switches = before

    return trouble


async def rotated(scene: Scene) -> None:
    scene.put_key("prod", scene.gateway.books.rotate(17, "sk-byts-abcdefghijklmnop0000"))


def a_day_later(trouble: Trouble) -> Trouble:
    async def later(scene: Scene) -> None:
        scene.pace("30m")
        await scene.restart()
        await scene.wait(DAY - 30 * MINUTE)
        await trouble(scene)

    return later


# -- 1: the first hour of a rollup ------------------------------------------------------

FIRST_HOUR: dict[str, tuple[dict[str, Any], Trouble]] = {
    "nothing": ({}, switched(1)),
    "a model missing once": ({}, for_one_answer(hidden={A})),
    "a model missing once, not from totals": (
        {},
        for_one_answer(hidden={A}, hidden_in_totals=False),
    ),
    "a model missing for a quarter of an hour": ({}, switched(15, hidden={A})),
    "an empty list three times": ({}, switched(3, empty=True)),
    "an empty list without totals": ({}, switched(3, empty=True, totals="absent")),
    "a model renamed for good": ({}, for_good(renamed={A: C})),
    "a model renamed for a while": ({}, switched(3, renamed={A: C})),
    "both models renamed": ({}, for_good(renamed={A: C, B: "another"})),
    "keys by id and masked in turn": ({"bucket_key": "in_turn"}, switched(5)),
    "keys by id from then on": ({}, for_good(bucket_key="id")),
    "keys masked from then on": ({"bucket_key": "id"}, for_good(bucket_key="masked")),
    "keys in the list's spelling": ({}, for_good(bucket_key="listed")),
    "a rotated key that no row names": ({"bucket_key": "absent"}, rotated),
    "a model missing during a restart": ({}, with_restart(hidden={A})),
    "an empty list during a restart": ({}, with_restart(empty=True)),
    "a model missing at the next sweep": ({}, a_day_later(switched(60, hidden={A}))),
    "an empty list at the next sweep": ({}, a_day_later(switched(60, empty=True))),
    "keys by id at the next sweep": ({}, a_day_later(for_good(bucket_key="id"))),
}


@pytest.mark.parametrize(("switches", "trouble"), FIRST_HOUR.values(), ids=FIRST_HOUR.keys())
async def test_what_was_spent_before_the_start_stays_uncounted(
    scene: Scene, switches: dict[str, Any], trouble: Trouble
) -> None:
    scene.gateway.turn(me_usage="rollup", **switches)
    scene.spend("5", A)
    await scene.until(10 * MINUTE)
    await scene.start()
    await scene.wait(3 * MINUTE)
    scene.spend("0.6", A)
    scene.spend("0.5", B)
    await scene.wait(3 * MINUTE)
    await trouble(scene)
    await scene.wait(2 * HOUR)
    assert scene.counted() == 1.1
    assert scene.increase() == 1.1


async def test_a_bucket_that_the_first_answer_lacked_is_not_new_money(scene: Scene) -> None:
    scene.gateway.turn(me_usage="rollup", hidden={A})
    scene.spend("5", A)
    await scene.until(10 * MINUTE)
    await scene.start()
    await scene.wait(3 * MINUTE)
    scene.gateway.turn(hidden=frozenset())
    scene.spend("1.1", B)
    await scene.wait(5 * MINUTE)
    assert scene.counted() == 1.1


# -- 2: a part of the first hour --------------------------------------------------------


@pytest.mark.parametrize("shape", ["log", "rollup with a log beside it", "rollup"])
@pytest.mark.parametrize("cuts", [True, False])
@pytest.mark.parametrize("minutes", [1, 10, 29])
async def test_the_part_of_an_hour_after_the_start_is_counted_or_told(
    scene: Scene, shape: str, cuts: bool, minutes: int
) -> None:
    scene.gateway.turn(
        me_usage=shape.split(maxsplit=1)[0],
        api_usage="log" if "beside" in shape else "none",
        cuts_first_bucket=cuts,
    )
    scene.settings["usage"] = {"start": "-2h"}
    await scene.until(30 * MINUTE)
    scene.spend("1", A, at=scene.now - 2 * HOUR + minutes * MINUTE)
    await scene.start()
    await scene.wait(5 * MINUTE)
    told = [line for line in scene.lines() if "USD" in line]
    assert scene.counted() == 1 or (shape == "rollup" and len(told) == 1)


@pytest.mark.parametrize("shape", ["log", "rollup"])
@pytest.mark.parametrize("account", ["object", "number"])
@pytest.mark.parametrize("minutes", [10, 80])
async def test_what_is_spent_while_usage_fails_at_the_first_start_is_counted(
    scene: Scene, shape: Any, account: Any, minutes: int
) -> None:
    scene.gateway.turn(me_usage=shape, account=account, failing={USAGE: 503})
    await scene.until(10 * MINUTE)
    scene.spend("3", A)
    await scene.wait(MINUTE)
    await scene.start()
    await scene.wait(3 * MINUTE)
    scene.spend("2", A)
    await scene.wait(minutes * MINUTE)
    await scene.restart()
    await scene.wait(3 * MINUTE)
    scene.gateway.turn(failing={})
    await scene.wait(10 * MINUTE)
    unknowable = shape == "rollup" and account == "number"
    told = [line for line in scene.lines() if "USD" in line]
    assert scene.counted() == 2 or (unknowable and len(told) == 1)


@pytest.mark.parametrize(
    ("first", "then"), [("log", "rollup"), ("rollup", "log")], ids=["to rollup", "to log"]
)
@pytest.mark.parametrize("restarts", [False, True], ids=["", "restarted"])
@pytest.mark.parametrize("before", ["0", "5"])
async def test_the_first_hour_counts_once_through_a_change_of_shape(
    scene: Scene, first: Any, then: Any, restarts: bool, before: str
) -> None:
    scene.gateway.turn(me_usage=first)
    if before != "0":
        scene.spend(before, A)
    await scene.until(10 * MINUTE)
    await scene.start()
    await scene.wait(3 * MINUTE)
    scene.spend("1", A)
    await scene.wait(3 * MINUTE)
    scene.gateway.turn(me_usage=then)
    scene.spend("0.5", A)
    if restarts:
        await scene.restart()
    await scene.wait(5 * MINUTE)
    assert scene.counted() == 1.5
    await scene.wait(2 * HOUR)
    assert scene.increase() == 1.5


# -- 3: the split within an hour --------------------------------------------------------


async def an_hour_with_two(scene: Scene) -> None:
    """10 USD of A and 5 of B, in an hour of which all is counted; B is of another key."""
    scene.gateway.turn(me_usage="rollup")
    await scene.until(50 * MINUTE)
    await scene.start()
    await scene.until(65 * MINUTE)
    other = scene.gateway.books.add_key(key_of(ADA, 18, "aaaa"))
    scene.first = scene.spend("10", A)
    scene.spend("5", B, key=other)
    scene.other = other
    await scene.wait(3 * MINUTE)
    assert scene.by_model() == {A: 10, B: 5}


@pytest.mark.parametrize("hidden", [A, "key-17"])
@pytest.mark.parametrize("polls", [1, 3, 60])
@pytest.mark.parametrize("restarts", [False, True], ids=["", "restarted"])
async def test_a_bucket_that_is_missing_for_a_while_pays_for_no_other(
    scene: Scene, hidden: str, polls: int, restarts: bool
) -> None:
    await an_hour_with_two(scene)
    scene.gateway.turn(hidden={hidden})
    scene.spend("3", B, key=scene.other)
    await scene.wait(polls * MINUTE + 15)
    if restarts:
        await scene.restart()
        await scene.wait(2 * MINUTE)
    scene.gateway.turn(hidden=frozenset())
    await scene.wait(10 * MINUTE)
    assert scene.by_model() == {A: 10, B: 8}
    assert scene.increase() == 18


@pytest.mark.parametrize("back", ["10", "4"], ids=["all", "a part"])
@pytest.mark.parametrize("grows", ["3", "12"])
async def test_a_rebate_of_one_model_does_not_hide_the_growth_of_another(
    scene: Scene, back: str, grows: str
) -> None:
    await an_hour_with_two(scene)
    scene.gateway.books.take_back(scene.first, Decimal(back))
    scene.spend(grows, B, key=scene.other)
    await scene.wait(10 * MINUTE)
    assert scene.by_model().get(B) == 5 + float(grows)
    assert scene.gauge("usage.overcount") == float(back)


async def test_only_the_new_name_pays_for_a_renamed_bucket(scene: Scene) -> None:
    await an_hour_with_two(scene)
    scene.gateway.turn(renamed={A: C})
    scene.spend("3", B, key=scene.other)
    await scene.wait(10 * MINUTE)
    assert scene.by_model().get(B) == 8
    assert scene.counted() == 18


# -- 4: whole seconds -------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["topup", "refund", "admin_credit"])
@pytest.mark.parametrize("after", [0.05, 0.2, 0.45])
async def test_a_movement_in_the_second_of_the_first_start_counts(
    scene: Scene, kind: str, after: float
) -> None:
    await scene.wait(0.5)
    await scene.start()
    await scene.wait(after)
    scene.gateway.move(scene.key, "50", kind)
    await scene.wait(5 * MINUTE)
    assert scene.increase("billing.amount", kind=kind) == 50
    assert scene.increase("billing.transactions", kind=kind) == 1


async def test_of_two_movements_in_one_second_only_the_one_after_the_start_counts(
    scene: Scene,
) -> None:
    scene.gateway.move(scene.key, "20")
    await scene.wait(0.5)
    await scene.start()
    await scene.wait(0.3)
    scene.gateway.move(scene.key, "30")
    await scene.wait(5 * MINUTE)
    await scene.restart()
    await scene.wait(5 * MINUTE)
    assert scene.increase("billing.amount") == 30


# -- 5: movements that change -----------------------------------------------------------

Version = tuple[str, str | None]
CHANGES: dict[str, tuple[list[Version], float]] = {
    "an amount that grows": ([("50", None), ("60", None)], 60),
    "an amount that grows twice": ([("50", None), ("55", None), ("70", None)], 70),
    "pending, then good": ([("50", "pending"), ("50", "completed")], 50),
    "pending, then without a status": ([("50", "pending"), ("50", None)], 50),
    "pending, then failed": ([("50", "pending"), ("50", "failed")], 0),
    "failed": ([("50", "failed")], 0),
    "pending": ([("50", "pending")], 0),
    "pending, then good with another amount": ([("50", "pending"), ("48.5", "completed")], 48.5),
    "good, then with another amount": ([("50", "completed"), ("51.25", "completed")], 51.25),
}


@pytest.mark.parametrize(("versions", "counted"), CHANGES.values(), ids=CHANGES.keys())
@pytest.mark.parametrize("between", [5 * MINUTE, 20 * HOUR], ids=["soon", "later"])
async def test_a_movement_counts_by_what_changes_of_it(
    scene: Scene, versions: list[Version], counted: float, between: float
) -> None:
    scene.pace("1h" if between > HOUR else "60s")
    await scene.start()
    await scene.wait(5 * MINUTE)
    known = None
    for amount, status in versions:
        known = scene.gateway.move(scene.key, amount, status=status, id=known).id
        await scene.wait(between)
    await scene.restart()
    await scene.a_day()
    assert scene.increase("billing.amount") == counted
    assert scene.increase("billing.transactions") == (1 if counted else 0)


# -- 6: one absurd answer ---------------------------------------------------------------


@pytest.mark.parametrize("lifetime", ["moves", "absent"])
@pytest.mark.parametrize("factor", [100, 1000])
@pytest.mark.parametrize("restarts", [False, True], ids=["", "restarted"])
async def test_an_answer_that_is_far_too_high_once_is_not_believed(
    scene: Scene, lifetime: Any, factor: int, restarts: bool
) -> None:
    scene.gateway.turn(me_usage="rollup", lifetime=lifetime)
    await scene.until(50 * MINUTE)
    await scene.start()
    for _ in range(20):
        scene.spend("0.5", A)
        await scene.wait(MINUTE)
    await scene.wait(2 * MINUTE)
    assert scene.counted() == 10
    await for_one_answer(factor=Decimal(factor))(scene)
    if restarts:
        await scene.restart()
    await scene.wait(3 * MINUTE)
    scene.spend("3", A)
    await scene.wait(3 * MINUTE)
    assert scene.counted() == 13
    assert scene.increase() == 13


@pytest.mark.parametrize("lifetime", ["moves", "absent"])
@pytest.mark.parametrize("knows_hours", [True, False], ids=["hours", "days"])
async def test_a_first_answer_after_a_restart_that_is_far_too_high_is_not_believed(
    scene: Scene, lifetime: Any, knows_hours: bool
) -> None:
    scene.gateway.turn(me_usage="rollup", lifetime=lifetime, knows_hours=knows_hours)
    scene.spend("1", A)
    await scene.until(50 * MINUTE)
    await scene.start()
    await scene.wait(MINUTE)
    scene.spend("10", A)
    await scene.wait(15 * MINUTE)
    await scene.stop()
    scene.gateway.turn(factor=Decimal(100))
    await scene.start()
    await scene.wait(15)
    scene.gateway.turn(factor=Decimal(1))
    scene.spend("3", A)
    await scene.wait(10 * MINUTE)
    assert scene.counted() == 13
    assert scene.increase() == 13


@pytest.mark.parametrize("lifetime", ["moves", "stands", "absent"])
@pytest.mark.parametrize("usd", ["50", "900"])
@pytest.mark.parametrize("shape", ["log", "rollup"])
async def test_real_money_is_counted_however_much_it_is(
    scene: Scene, lifetime: Any, usd: str, shape: Any
) -> None:
    scene.gateway.turn(me_usage=shape, lifetime=lifetime)
    await scene.until(50 * MINUTE)
    await scene.start()
    for _ in range(5):
        scene.spend("0.1", A)
        await scene.wait(MINUTE)
    scene.spend(usd, A)
    await scene.wait(5 * MINUTE)
    assert scene.counted() == 0.5 + float(usd)


@pytest.mark.parametrize("lifetime", ["moves", "absent"])
async def test_what_is_still_shown_too_high_is_told_as_overcount(
    scene: Scene, lifetime: Any
) -> None:
    scene.gateway.turn(me_usage="rollup", lifetime=lifetime)
    await scene.until(50 * MINUTE)
    await scene.start()
    scene.spend("2", A)
    await scene.wait(3 * MINUTE)
    await switched(30, factor=Decimal(100))(scene)
    await scene.wait(5 * MINUTE)
    assert scene.counted() - (scene.gauge("usage.overcount") or 0) == pytest.approx(2)

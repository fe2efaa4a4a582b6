"""Every answer is read whole, or it is told that it was not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.second_gateway.scene import ADA, DAY, HOUR, MINUTE, A, B, Scene, key_of

pytestmark = pytest.mark.anyio

USAGE = "/api/v1/me/usage"


async def away(scene: Scene, days: int, watched: float = HOUR) -> int:
    """Count 1 USD within the `watched` seconds, then stop; 1 USD is spent on each of the days.

    Gives how much has been spent in all.
    """
    scene.pace("10m" if watched <= HOUR else "1h")
    await scene.start()
    await scene.wait(15 * MINUTE)
    scene.spend("1", A)
    await scene.wait(watched)
    await scene.stop()
    scene.pace("10m")
    for spent in range(1, days + 1):
        await scene.wait(DAY)
        scene.spend("1", B if spent % 2 else A, at=scene.now - MINUTE)
    return 1 + days


# -- 7: ranges --------------------------------------------------------------------------

RANGES: dict[str, dict[str, Any]] = {
    "at most 7 days": {"longest_range_days": 7},
    "at most 3 days": {"longest_range_days": 3},
    "at most a day": {"longest_range_days": 1},
    "at most 2 hours": {"longest_range_days": 2 / 24},
    "slow beyond 7 days": {"slow_beyond_hours": 7 * 24},
    "slow beyond 2 days": {"slow_beyond_hours": 48},
    "slow beyond 5 hours": {"slow_beyond_hours": 5},
    "slow beyond a day, at most 3": {"slow_beyond_hours": 24, "longest_range_days": 3},
}


@pytest.mark.parametrize("shape", ["log", "rollup"])
@pytest.mark.parametrize("switches", RANGES.values(), ids=RANGES.keys())
async def test_twenty_days_are_caught_up_in_ranges_that_the_gateway_answers(
    scene: Scene, shape: Any, switches: dict[str, Any]
) -> None:
    scene.gateway.turn(me_usage=shape)
    spent = await away(scene, 20)
    scene.gateway.turn(**switches)
    await scene.start()
    await scene.wait(6 * HOUR)
    assert scene.counted() == spent
    assert scene.up() == 1


@pytest.mark.parametrize("shape", ["log", "rollup"])
@pytest.mark.parametrize("days", [87, 89])
async def test_almost_ninety_days_are_caught_up(scene: Scene, shape: Any, days: int) -> None:
    scene.gateway.turn(me_usage=shape, oldest_days=90)
    spent = await away(scene, days, watched=3 * DAY)
    await scene.start()
    await scene.wait(6 * HOUR)
    assert scene.counted() == spent
    assert scene.up() == 1


@pytest.mark.parametrize("shape", ["log", "rollup"])
async def test_what_is_older_than_the_gateway_answers_for_is_told_once(
    scene: Scene, shape: Any
) -> None:
    scene.gateway.turn(me_usage=shape, oldest_days=90)
    spent = await away(scene, 100)
    await scene.start()
    await scene.wait(6 * HOUR)
    assert spent - 13 <= scene.counted() <= spent - 9
    assert scene.up() == 1
    assert len([line for line in scene.lines() if "day" in line or "hour" in line]) == 1


@pytest.mark.parametrize("shape", ["log", "rollup"])
@pytest.mark.parametrize("days", ["80d", "89d", "90d"])
async def test_counting_may_begin_as_far_back_as_the_settings_allow(
    scene: Scene, shape: Any, days: str
) -> None:
    scene.gateway.turn(me_usage=shape, oldest_days=90)
    scene.pace("10m")
    await scene.until(20 * MINUTE)
    for day in range(1, 85, 4):
        scene.spend("1", A, at=scene.now - day * DAY - 90 * MINUTE)
    scene.settings["usage"] = {"start": f"-{days}"}
    await scene.start()
    await scene.wait(4 * HOUR)
    assert scene.up() == 1
    assert scene.counted() == len(range(1, 80 if days == "80d" else 85, 4))


@pytest.mark.parametrize("shape", ["log", "rollup"])
@pytest.mark.parametrize(
    "switches",
    [{"slow_beyond_hours": 24}, {"slow_beyond_hours": 6}, {"longest_range_days": 1}],
    ids=["slow beyond a day", "slow beyond 6 hours", "at most a day"],
)
async def test_a_sweep_that_fails_does_not_show_usage_as_down(
    scene: Scene, shape: Any, switches: dict[str, Any]
) -> None:
    scene.gateway.turn(me_usage=shape, **switches)
    scene.pace("30m")
    await scene.start()
    await scene.wait(90 * MINUTE)
    for hour in range(2, 62, 2):
        scene.spend("1", A)
        await scene.wait(2 * HOUR)
        assert scene.up() == 1, f"after {hour} hours"
        assert scene.counted() == hour / 2


# -- 8: busy ----------------------------------------------------------------------------

BUSY: dict[str, dict[str, Any]] = {
    "pages": {},
    "pages without a total": {"total": "absent"},
    "pages with a total of all time": {"total": "ever"},
    "pages that repeat the last": {"past_end": "last"},
    "rows of a second in any order": {"shuffles_seconds": True},
    "cursors": {"paging": "cursor"},
}


@pytest.mark.parametrize("switches", BUSY.values(), ids=BUSY.keys())
async def test_rows_that_arrive_while_pages_are_read_are_counted(
    scene: Scene, switches: dict[str, Any]
) -> None:
    scene.gateway.turn(largest_size=20, seconds_an_answer=0.4, **switches)
    scene.settings["gateway"]["max_requests_per_minute"] = 10_000
    made = [scene.now]

    def arrive(_: httpx.Request) -> None:
        while made[0] < min(scene.now, busy_until):
            scene.spend("0.001", A, at=made[0])
            made[0] += 1 / 40

    busy_until = scene.now + 130
    scene.gateway.before.append(arrive)
    await scene.start()
    await scene.wait(6 * MINUTE)
    assert scene.counted() == round(len(scene.gateway.books.calls) * 0.001, 9)
    assert not [line for line in scene.lines() if "usage" in line]


# -- 9: ties ----------------------------------------------------------------------------


@pytest.mark.parametrize("switches", [{}, {"paging": "cursor"}, {"largest_size": 100}])
@pytest.mark.parametrize(("seconds", "rows"), [(40, 37), (3, 700), (1, 1500)])
async def test_rows_of_one_second_in_any_order_are_all_counted(
    scene: Scene, switches: dict[str, Any], seconds: int, rows: int
) -> None:
    scene.gateway.turn(shuffles_seconds=True, account="number", **switches)
    await scene.start()
    await scene.wait(3 * MINUTE)
    await scene.stop()
    await scene.wait(10 * HOUR)
    for second in range(seconds):
        for _ in range(rows):
            scene.spend("0.01", A, at=scene.now - 8 * HOUR + 30 * second)
    await scene.start()
    await scene.wait(30 * MINUTE)
    assert scene.counted() == seconds * rows / 100


# -- 10: cut rollups --------------------------------------------------------------------

CUT: dict[str, dict[str, Any]] = {
    "obeys our own limit": {"rollup_size": "obeyed"},
    "answers 1,000 buckets": {"most_buckets": 1000},
    "answers 300 buckets": {"most_buckets": 300},
    "pages": {"rollup_pages": True},
    "pages of 100": {"rollup_pages": True, "most_buckets": 100},
    "answers all, with noise in the totals": {"totals": "noisy"},
    "answers all, without totals": {"totals": "absent"},
    "answers all, with zeros for tokens": {"totals": "zero"},
    "answers all, in cents": {"cents": True},
    "answers all, with totals in cents": {"totals": "cents"},
}


@pytest.mark.parametrize("switches", CUT.values(), ids=CUT.keys())
@pytest.mark.parametrize("hours", [0, 5], ids=["steady", "catching up"])
async def test_a_rollup_is_counted_whole_though_its_answers_are_cut(
    scene: Scene, switches: dict[str, Any], hours: int
) -> None:
    scene.gateway.turn(me_usage="rollup", **switches)
    keys = [scene.gateway.books.add_key(key_of(ADA, 100 + n, f"{n:04}")) for n in range(12)]
    await scene.until(55 * MINUTE)
    await scene.start()
    await scene.until(65 * MINUTE)
    if hours:
        await scene.stop()
    for hour in range(max(1, hours)):
        for key in keys:
            for model in range(20):
                scene.spend("0.25", f"model-{model}", key=key)
        if hour < hours:
            await scene.wait(HOUR)
    if hours:
        await scene.start()
    await scene.wait(15 * MINUTE)
    assert scene.counted() == 0.25 * 12 * 20 * max(1, hours)
    assert scene.up() == 1


async def test_an_answer_of_many_megabytes_is_read_in_parts(scene: Scene) -> None:
    scene.gateway.turn(me_usage="rollup")
    scene.settings["usage"] = {"max_series": 1000}
    scene.pace("10m")
    await scene.until(55 * MINUTE)
    await scene.start()
    await scene.until(75 * MINUTE)
    for number in range(3500):
        key = scene.gateway.books.add_key(key_of(ADA, 1000 + number, f"{number:04}"))
        for model in range(20):
            scene.spend("0.01", f"a-model-with-a-long-name-{model}", key=key)
    await scene.wait(25 * MINUTE)
    assert scene.counted() == 700


# -- 11: pages --------------------------------------------------------------------------

PAGES: dict[str, dict[str, Any]] = {
    "as documented": {},
    "from 0": {"first_page": 0},
    "from 0, the last again": {"first_page": 0, "past_end": "last"},
    "the last again": {"past_end": "last"},
    "the last again, no total": {"past_end": "last", "total": "absent"},
    "short ones": {"filters_after_limit": True},
    "short ones, no total": {"filters_after_limit": True, "total": "absent"},
    "short ones, total of all time": {"filters_after_limit": True, "total": "ever"},
    "total of all time": {"total": "ever"},
    "no total": {"total": "absent"},
    "until in the future refused": {"refuses_future": True},
    "unknown parameters refused": {"refuses_unknown": True},
    "page_size": {"size_names": ("page_size",)},
    "page_size, others refused": {"size_names": ("page_size",), "refuses_unknown": True},
    "of 20, whatever is asked": {"size_names": ()},
    "of 20 where more than 100 are asked": {"largest_size": 100, "too_large": "default"},
    "more than 100 refused": {"largest_size": 100, "too_large": "refused"},
    "cursors": {"paging": "cursor"},
    "cursors, short": {"paging": "cursor", "filters_after_limit": True},
    "under data": {"list_name": "data"},
    "under rows": {"list_name": "rows"},
    "under usage": {"list_name": "usage"},
    "of stock": {
        "me_usage": "log",
        "range_by": "dates",
        "tokens": "stock",
        "charge": "actual_cost",
        "wrap": "code",
        "largest_size": 100,
        "too_large": "default",
    },
    "whatever range is asked": {"range_by": "nothing"},
}


def down_and_told(scene: Scene) -> bool:
    return scene.up() == 0 and scene.told("usage")


@pytest.mark.parametrize("switches", PAGES.values(), ids=PAGES.keys())
async def test_pages_are_counted_whole_or_usage_is_down(
    scene: Scene, switches: dict[str, Any]
) -> None:
    scene.gateway.turn(**switches)
    scene.spend("7", A, at=scene.now - 3 * HOUR)
    await scene.start()
    await scene.wait(3 * MINUTE)
    for number in range(540):
        scene.spend("0.01", A, at=scene.now - number / 20, failed=number % 3 == 1)
    await scene.wait(10 * MINUTE)
    await scene.restart()
    scene.spend("0.5", B)
    await scene.wait(5 * MINUTE)
    assert scene.counted() == 4.1 or down_and_told(scene)


@pytest.mark.parametrize("switches", [{}, {"total": "absent"}, {"total": "ever"}])
@pytest.mark.parametrize("new", [200, 400])
async def test_a_page_of_new_rows_between_two_pages_hides_none(
    scene: Scene, switches: dict[str, Any], new: int
) -> None:
    scene.gateway.turn(**switches)
    await scene.start()
    await scene.wait(3 * MINUTE)
    for number in range(450):
        scene.spend("0.01", A, at=scene.now - number / 20)
    left = [2]

    def arrive(request: httpx.Request) -> None:
        if request.url.path == USAGE and request.url.params.get("page") == "2" and left[0]:
            left[0] -= 1
            for _ in range(new):
                scene.spend("0.01", A)

    scene.gateway.before.append(arrive)
    await scene.wait(10 * MINUTE)
    assert left[0] < 2
    assert scene.counted() == (450 + (2 - left[0]) * new) / 100 or down_and_told(scene)


# -- 12: out of the window --------------------------------------------------------------

TIMES: dict[str, dict[str, Any]] = {
    "milliseconds": {},
    "whole seconds": {"times": "whole"},
    "microseconds": {"times": "micros"},
    "no zone, UTC": {"times": "no_zone"},
    "no zone, eight hours ahead": {"times": "no_zone", "zone_hours": 8},
    "no zone, five hours behind": {"times": "no_zone", "zone_hours": -5},
    "no zone, a day ahead": {"times": "no_zone", "zone_hours": 24},
    "an offset": {"times": "offset", "zone_hours": 8},
    "the word UTC": {"times": "utc_word"},
    "hours": {"me_usage": "rollup"},
    "hours without seconds": {"me_usage": "rollup", "hour_buckets": "no_seconds"},
    "hours without zone": {"me_usage": "rollup", "hour_buckets": "no_zone"},
}


@pytest.mark.parametrize("switches", TIMES.values(), ids=TIMES.keys())
async def test_a_time_that_cannot_be_placed_is_rejected_and_told(
    scene: Scene, switches: dict[str, Any]
) -> None:
    scene.gateway.turn(**switches)
    scene.spend("3", A, at=scene.now - 5 * HOUR)
    await scene.start()
    await scene.wait(3 * MINUTE)
    for _ in range(4):
        scene.spend("0.5", A)
        await scene.wait(8 * MINUTE)
    placed = scene.counted() == 2
    assert placed or (scene.rejected() > 0 and scene.told("usage")), scene.counted()
    assert scene.counted() in (0, 2)


@pytest.mark.parametrize("day_buckets", ["date", "midnight"])
@pytest.mark.parametrize("hours", [4, 30])
async def test_a_gateway_that_knows_no_hours_is_followed_by_days(
    scene: Scene, day_buckets: Any, hours: int
) -> None:
    scene.gateway.turn(me_usage="rollup", knows_hours=False, day_buckets=day_buckets)
    scene.pace("20m")
    scene.spend("5", A)
    await scene.wait(20 * MINUTE)
    await scene.start()
    await scene.wait(50 * MINUTE)
    for _ in range(hours):
        scene.spend("0.5", A)
        await scene.wait(HOUR)
    assert scene.counted() == hours * 0.5
    assert scene.up() == 1
    assert Decimal(str(scene.increase())) == Decimal(hours) / 2

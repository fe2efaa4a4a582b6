"""Keys: one form and one name for each, whatever answers call it, and no key in full anywhere."""

from __future__ import annotations

import logging
from dataclasses import replace
from decimal import Decimal

import pytest

from tests.second_gateway.gateway import Key
from tests.second_gateway.receiver import Sample, Series
from tests.second_gateway.scene import ADA, BEGIN, DAY, EVE, HOUR, MINUTE, A, B, Scene, key_of

pytestmark = pytest.mark.anyio

MASK = "sk-byts-…9f3c"


# -- 24: keys that are named by id, mask or not at all, listed in full, or not listed


def capped(scene: Scene) -> Key:
    """The scene's key with a cap, windows and an end, beside another that has none."""
    scene.settings["poll"]["keys"] = "2m"
    key = replace(
        scene.key,
        quota=Decimal(100),
        limits=(("5h", Decimal(20)), ("7d", Decimal(50))),
        expires_at=BEGIN + 90 * DAY,
    )
    scene.gateway.books.keys[key.id] = key
    scene.gateway.books.add_key(key_of(ADA, 18, "1234"))
    scene.key = key
    return key


def named(samples: dict[Series, Sample]) -> dict[tuple[str, str], float]:
    """By key id and name."""
    found: dict[tuple[str, str], float] = {}
    for series, sample in samples.items():
        key = series["bytespike.key.id"], series["bytespike.key.name"]
        found[key] = round(found.get(key, 0.0) + sample.value, 9)
    return {key: usd for key, usd in found.items() if usd}


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("wrap", ["", "code", "success"])
async def test_caps_expiry_and_names_come_from_the_list(
    scene: Scene, full: bool, wrap: str
) -> None:
    capped(scene)
    scene.gateway.turn(keys_in_full=full)
    await scene.start()
    await scene.wait(2 * MINUTE)
    scene.gateway.turn(wrap=wrap)
    scene.spend("1.25")
    await scene.wait(5 * MINUTE)
    limits = {s["bytespike.window"]: x.value for s, x in scene.newest("key.limit").items()}
    assert limits == {"5h": 20.0, "7d": 50.0, "lifetime": 100.0}
    used = {
        s["bytespike.window"]: x.value for s, x in scene.newest("key.used", key_id=MASK).items()
    }
    assert used.get("lifetime") == (1.25 if full else None)
    assert scene.gauge("key.expiry.timestamp") == BEGIN + 90 * DAY
    infos = {s["bytespike.key.id"]: s for s in scene.newest("key.info")}
    assert {i["bytespike.key.listed"] for i in infos.values()} == {"true"}
    assert {id_: i["bytespike.key.name"] for id_, i in infos.items()} == {
        MASK: "key-17",
        "sk-byts-…1234": "key-18",
    }


async def test_no_key_in_full_reaches_log_points_or_state(scene: Scene) -> None:
    scene.log.set_level(logging.DEBUG)
    capped(scene)
    scene.gateway.turn(keys_in_full=True, row_key="id")
    scene.gateway.books.add_key(Key(19, "chosen-by-a-customer-9999", "own", ADA))
    await scene.start()
    for _ in range(5):
        scene.spend("1", key=scene.gateway.books.keys[19])
        await scene.wait(2 * MINUTE)
    assert named(scene.newest("usage.cost")) == {("…9999", "own"): 5.0}
    await scene.stop()
    said = repr(scene.receiver.samples) + scene.log.text
    said += "".join(f.read_bytes().decode("latin-1") for f in (scene.folder / "state").iterdir())
    for key in scene.gateway.books.keys.values():
        assert key.secret not in said


@pytest.mark.parametrize("naming", ["object", "masked", "listed", "id", "absent", "in_turn"])
@pytest.mark.parametrize("shape", ["log", "rollup"])
async def test_a_key_counts_under_one_form_and_its_name_whatever_rows_call_it(
    scene: Scene, naming: str, shape: str
) -> None:
    scene.gateway.turn(me_usage=shape, row_key=naming, bucket_key=naming)
    await scene.start()
    for _ in range(6):
        await scene.wait(2 * MINUTE)
        scene.spend("1.5")
    await scene.wait(3 * MINUTE)
    assert named(scene.newest("usage.cost")) == {(MASK, "key-17"): 9.0}


async def test_a_list_that_comes_later_names_a_key_and_counts_nothing_twice(scene: Scene) -> None:
    scene.settings["poll"]["keys"] = "5m"
    scene.gateway.turn(row_key="id", lists_keys=False)
    await scene.start()
    await scene.wait(2 * MINUTE)
    scene.spend("2")
    await scene.wait(3 * MINUTE)
    assert named(scene.newest("usage.cost")) == {("17", "17"): 2.0}
    scene.gateway.turn(lists_keys=True)
    await scene.wait(6 * MINUTE)
    scene.spend("3", B)
    scene.spend("4", A)
    await scene.wait(3 * MINUTE)
    assert named(scene.newest("usage.cost")) == {("17", "17"): 2.0, (MASK, "key-17"): 7.0}
    assert scene.increase() == 9.0
    await scene.restart()
    await scene.wait(2 * HOUR)
    assert named(scene.newest("usage.cost")) == {("17", "17"): 2.0, (MASK, "key-17"): 7.0}


@pytest.mark.parametrize("status", [401, 403, 404, 500])
async def test_a_list_that_is_not_given_is_told_once_and_changes_nothing(
    scene: Scene, status: int
) -> None:
    scene.settings["poll"]["keys"] = "1m"
    scene.gateway.turn(failing={"/api/v1/keys": status})
    await scene.start()
    await scene.wait(2 * MINUTE)
    scene.spend("2")
    await scene.wait(30 * MINUTE)
    assert scene.counted() == 2.0
    assert scene.up("keys") is None
    assert scene.up("usage") == 1.0
    assert [line for line in scene.lines(logging.INFO) if "no list of its keys" in line] != []
    assert len([line for line in scene.lines(logging.INFO) if "/keys" in line]) == 1
    assert scene.lines() == []
    assert all(
        "bytespike.key.listed" not in dict(series.attributes) for series in scene.newest("key.info")
    )


async def test_a_key_that_spends_and_is_in_no_list_is_not_listed(scene: Scene) -> None:
    scene.settings["poll"]["keys"] = "2m"
    stranger = scene.gateway.books.add_key(key_of(ADA, 66, "dead"))
    await scene.start()
    await scene.wait(3 * MINUTE)
    scene.gateway.books.keys[66] = replace(stranger, user=EVE)
    scene.gateway.spend(stranger, "1")
    await scene.wait(6 * MINUTE)
    listed = {
        series["bytespike.key.id"]: series["bytespike.key.listed"]
        for series in scene.newest("key.info")
    }
    assert listed == {MASK: "true", "sk-byts-…dead": "false"}


async def test_more_keys_than_one_page_holds_are_all_read(scene: Scene) -> None:
    for number in range(230):
        scene.gateway.books.add_key(key_of(ADA, 100 + number, f"{number:04}"))
    await scene.start()
    await scene.wait(3 * MINUTE)
    assert len(scene.newest("key.info", listed="true")) == 231


async def test_an_uncapped_key_of_which_a_header_says_nothing_is_left_is_not_at_its_end(
    scene: Scene,
) -> None:
    scene.gateway.turn(extra_headers={"X-Quota-Remaining-Credits": "0.00"})
    await scene.start()
    await scene.wait(3 * MINUTE)
    assert scene.gauge("key.quota.remaining") is None

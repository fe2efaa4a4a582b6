"""Whichever shape usage comes in, and whatever becomes of it later, sums are what was billed."""

from __future__ import annotations

import time
from collections import defaultdict

import pytest

from tests.e2e import expected
from tests.e2e.expected import (
    COST,
    MICRO,
    Shown,
    assert_shows,
    by_name,
    masked_form,
    own_name,
    series,
)
from tests.e2e.gateway import Gateway
from tests.e2e.scene import Scene
from tests.e2e.waiting import eventually
from tests.peers.process import until
from tests.peers.victoria_metrics import VictoriaMetrics

OURS = '{__name__=~"bytespike_(usage|billing|wallet|ledger)_.*"}'
HOUR = 3600.0

both_shapes = pytest.mark.parametrize("shape", ["log", "rollup"])


def without_key_names(shown: Shown) -> Shown:
    """Sums over `bytespike.key.name`, which depends on the shape that a key is first seen in."""
    sums: Shown = {}
    for name in (COST, expected.TOKENS, expected.REQUESTS):
        values: defaultdict[expected.Series, float] = defaultdict(float)
        for labels, value in shown.get(name, {}).items():
            values[frozenset(one for one in labels if one[0] != "bytespike_key_name")] += value
        sums[name] = {labels: round(value, 6) for labels, value in values.items()}
    return sums


def assert_equal_to_truth(gateway: Gateway, victoria_metrics: VictoriaMetrics) -> None:
    """Usage and billing at the receiver are the world's, key names aside."""

    def same() -> None:
        shown, truth = by_name(victoria_metrics.query(OURS)), gateway.truth()
        assert_shows(without_key_names(shown), without_key_names(expected.usage(truth)))
        assert_shows(shown, expected.billing(truth), expected.wallet(truth))

    eventually(same)


def test_the_rollup_gives_the_same_sums(scene: Scene, victoria_metrics: VictoriaMetrics) -> None:
    gateway = scene.gateway(usage="rollup", models=3, rate=60, speed=20)
    scene.daemon(gateway, victoria_metrics.endpoint)
    gateway.live(seconds=3)

    def same() -> None:
        shown, truth = by_name(victoria_metrics.query(OURS)), gateway.truth()
        assert_shows(shown, expected.usage(truth, masked_form), expected.wallet(truth))
        assert_shows(shown, {"bytespike_ledger_drift_USD": {series(): 0.0}})

    eventually(same)


@pytest.mark.parametrize("start", ["now", "-24h"])
def test_a_gateway_that_changes_its_shape_in_full_traffic_counts_nothing_twice(
    scene: Scene, victoria_metrics: VictoriaMetrics, start: str
) -> None:
    gateway = scene.gateway(models=3, rate=60, speed=20)
    scene.daemon(gateway, victoria_metrics.endpoint, usage={"start": start})
    gateway.post("traffic", on=True)
    for shape in ("log", "rollup", "log", "rollup", "log"):
        gateway.post("options", usage=shape)
        asked = gateway.requests()["usage"]
        until(lambda asked=asked: gateway.requests()["usage"] > asked + 2, "polls")  # type: ignore[misc]
    gateway.live(seconds=1)
    assert_equal_to_truth(gateway, victoria_metrics)


@both_shapes
def test_a_call_that_settles_late_is_counted(
    scene: Scene, victoria_metrics: VictoriaMetrics, shape: str
) -> None:
    gateway = scene.gateway(usage=shape)
    scene.daemon(gateway, victoria_metrics.endpoint, usage={"start": "-24h"})
    gateway.bill()
    assert_equal_to_truth(gateway, victoria_metrics)
    for hours in (2, 23):
        gateway.bill(model="veo-3-1", credits=350_000, at=time.time() - hours * HOUR)
        assert_equal_to_truth(gateway, victoria_metrics)


@both_shapes
def test_a_rebate_takes_nothing_from_a_counter_and_is_told(
    scene: Scene, victoria_metrics: VictoriaMetrics, shape: str
) -> None:
    gateway = scene.gateway(usage=shape)
    scene.daemon(gateway, victoria_metrics.endpoint)
    failed, *_ = gateway.bill(3, credits=400_000)
    assert_equal_to_truth(gateway, victoria_metrics)
    gateway.post("rebate", request_id=failed)
    taken_back = {"log": 0.0, "rollup": 400_000 / MICRO}[shape]

    def told() -> None:
        shown, truth = by_name(victoria_metrics.query(OURS)), gateway.truth()
        name = {"log": own_name, "rollup": masked_form}[shape]
        assert_shows(shown, expected.usage(truth, name), expected.billing(truth))
        assert_shows(shown, {"bytespike_usage_overcount_USD": {series(): taken_back}})

    eventually(told)
    gateway.bill(credits=1_000_000)

    def followed() -> None:
        shown = by_name(victoria_metrics.query(OURS))
        [cost] = shown[COST].values()
        [over] = shown["bytespike_usage_overcount_USD"].values()
        assert round(cost - over, 6) == round(2.2 - taken_back, 6)

    eventually(followed)

"""A real VictoriaMetrics is restarted in the middle of traffic."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from tests.e2e import expected
from tests.e2e.daemon import Daemon
from tests.e2e.expected import COST, MICRO, assert_shows, by_name, exports
from tests.e2e.gateway import Gateway
from tests.e2e.receivers import LastingVictoriaMetrics
from tests.e2e.scene import Scene
from tests.e2e.waiting import eventually
from tests.peers.fixtures import StartPeer
from tests.peers.process import until
from tests.reliability.trials import SOAK, Trials, saw

RESTARTS = 20 if SOAK else 1
PROMISED = "No growth is lost and nothing counts twice; no counter falls, no start time moves."
SEEN = (
    "{restarts} restarts, {failed} exports failed meanwhile; {points} points in {series} series, "
    "{fell} that fell or moved their start; {off} micro-USD more or less than billed"
)
COUNTERS = '{__name__=~"bytespike_(usage|billing)_.*_total"}'


@pytest.fixture
def scene(start_peer: StartPeer, tmp_path: Path) -> Scene:
    return Scene(start_peer, tmp_path)


def spend(gateway: Gateway, turn: int) -> None:
    """Calls of a known and of a new model, and a top-up."""
    gateway.bill(2, credits=1_000_001)
    gateway.bill(model=f"first-used-{turn}", credits=3_000_003)
    gateway.post("topup", usd=5)


def during(gateway: Gateway, daemon: Daemon, turn: int) -> None:
    """What happens while the receiver is away: money is spent, and an export fails."""
    before = exports(daemon, "failure")
    spend(gateway, turn)
    until(lambda: exports(daemon, "failure") > before, "an export that fails")


def test_victoria_metrics_is_restarted_in_the_middle(scene: Scene, trials: Trials) -> None:
    row = trials.row("Receiver faults", "a real VictoriaMetrics is restarted", PROMISED, SEEN)
    receiver = scene.start_peer(LastingVictoriaMetrics(scene.folder / "victoria-metrics"))
    gateway = scene.gateway()
    daemon = scene.daemon(gateway, receiver.endpoint)

    def same() -> None:
        truth = gateway.truth()
        shown = by_name(receiver.query('{__name__=~"bytespike_.*"}'))
        assert_shows(shown, expected.usage(truth), expected.billing(truth), expected.wallet(truth))

    for turn in range(RESTARTS):
        spend(gateway, -turn)
        receiver.stop()
        during(gateway, daemon, turn + 1)
        receiver.start()
        gateway.bill(credits=4)
        eventually(same)
    stored = receiver.stored(COUNTERS)
    series = [[value for _, value in one.samples] for one in stored]
    fell = sum(b < a for values in series for a, b in pairwise(values))
    cost = sum(one.samples[-1][1] for one in stored if one.labels["__name__"] == COST)
    saw(
        row,
        RESTARTS,
        restarts=RESTARTS,
        failed=exports(daemon, "failure"),
        points=sum(map(len, series)),
        series=len(series),
        fell=fell,
        off=abs(round(cost * MICRO) - gateway.truth().credits),
    )
    assert not fell
    assert all(values[0] == 0 for values in series)

"""Nothing counts twice at a receiver that adds up differences, whatever ends or gets lost.

The Collector's cumulativetodelta trusts start times and takes every fall for a reset: a start
that moves, a total that falls or a zero point that comes twice would count all again.
"""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest

from tests.e2e import expected, streams
from tests.e2e.expected import assert_shows
from tests.e2e.gateway import Gateway
from tests.e2e.lossy import Lossy
from tests.e2e.scene import Scene
from tests.e2e.waiting import eventually
from tests.peers.collector import Collector
from tests.peers.process import until


def assert_counted_once(gateway: Gateway, collector: Collector) -> None:
    """The differences at the Collector add up to what was billed."""

    def same() -> None:
        assert_shows(streams.growth(collector.deltas()), expected.usage(gateway.truth()))

    eventually(same)


def assert_same_streams(collector: Collector) -> None:
    """Start times, instance and direction never changed."""
    points = collector.points()
    assert len({tuple(sorted(point.resource.items())) for point in points}) == 1
    for stream in streams.counted(points).values():
        assert len({point.start_ns for point in stream}) == 1
        assert all(a.value <= b.value for a, b in pairwise(stream))


@pytest.mark.parametrize(
    ("ending", "initial_value"),
    [("stop", "auto"), ("kill", "auto"), ("kill", "drop")],
)
def test_a_daemon_that_ends_in_the_middle_of_traffic_continues_its_streams(
    scene: Scene, tmp_path: Path, ending: str, initial_value: str
) -> None:
    collector = scene.start_peer(Collector(tmp_path / "collector", initial_value))
    gateway = scene.gateway(models=3, rate=60, speed=20)
    daemon = scene.daemon(gateway, collector.http)
    gateway.post("traffic", on=True)
    for _ in range(2):
        seen = len(collector.deltas())
        until(lambda seen=seen: len(collector.deltas()) > seen, "growth")  # type: ignore[misc]
        getattr(daemon, ending)()
        gateway.bill(model=f"first-used-{time.time_ns()}")
        daemon.start()
    gateway.live(seconds=1)
    assert_counted_once(gateway, collector)
    assert_same_streams(collector)


@pytest.mark.parametrize("lost", [3, 5])
def test_an_answer_that_got_lost_counts_nothing_twice(
    scene: Scene, collector: Collector, lost: int
) -> None:
    gateway = scene.gateway()
    with Lossy(collector.http) as proxy:
        daemon = scene.daemon(gateway, proxy.origin)
        proxy.left = lost
        gateway.bill(credits=5_000_000)
        until(lambda: proxy.left < 0, "lost answers")
        gateway.bill(credits=2_000_000)
        assert_counted_once(gateway, collector)
        assert_same_streams(collector)
        daemon.stop()

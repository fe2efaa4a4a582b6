"""History is caught up to the last row, through ends in its middle."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e import expected
from tests.e2e.daemon import Daemon
from tests.e2e.expected import Shown, assert_shows, by_name
from tests.e2e.gateway import Gateway
from tests.e2e.scene import Scene
from tests.e2e.waiting import eventually
from tests.peers.process import until
from tests.peers.victoria_metrics import VictoriaMetrics

COUNTERS = '{__name__=~"bytespike_(usage|billing)_.*_total"}'


def full_hour() -> str:
    """The beginning of the hour 24 hours ago, as `usage.start` takes it."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return (now - timedelta(hours=24)).isoformat()


def end_in_the_middle(gateway: Gateway, daemon: Daemon) -> None:
    """Kill the daemon after it has read a part of its history, then stop it a little later."""
    for ending, requests in ((daemon.kill, 4), (daemon.stop, 4)):
        before = gateway.requests().get("usage", 0)
        until(lambda: gateway.requests().get("usage", 0) >= before + requests, "requests")  # noqa: B023
        ending()
        daemon.start()


@pytest.mark.parametrize("shape", ["log", "rollup"])
def test_two_ends_in_the_middle_of_catching_up_leave_exactly_the_history(
    scene: Scene, victoria_metrics: VictoriaMetrics, shape: str
) -> None:
    gateway = scene.gateway(usage=shape, history="30h", history_rows=6000, errands=True)
    gateway.post("fault", kind="delay", endpoint="usage", seconds=0.3)
    # A rollup's first hour is what had been billed before: whole hours leave nothing to guess.
    start = {"log": "-24h", "rollup": full_hour()}[shape]
    daemon = scene.starting_daemon(gateway, victoria_metrics.endpoint, usage={"start": start})
    end_in_the_middle(gateway, daemon)
    gateway.post("faults/clear")
    gateway.bill(key=20, model="first-used-now")
    began = began_of(daemon)

    def same() -> None:
        truth = gateway.truth(since=began)
        shown: Shown = by_name(victoria_metrics.query(COUNTERS))
        by_rollup = shape == "rollup"
        assert_shows(shown, expected.usage(truth, net=by_rollup), expected.billing(truth))

    eventually(same)


def began_of(daemon: Daemon) -> float:
    """Where counting began (Unix s), as the state file has it."""
    daemon.stop()
    [(began,)] = daemon.state("SELECT start FROM cursor WHERE stream = 'usage'")
    daemon.start()
    assert isinstance(began, float)
    return began

"""A gateway that is away for a while costs no growth. Receivers: tests/reliability."""

from __future__ import annotations

import pytest

from tests.e2e import expected
from tests.e2e.expected import MICRO, assert_shows, by_name, exports, series
from tests.e2e.scene import Scene
from tests.e2e.waiting import eventually
from tests.peers.victoria_metrics import VictoriaMetrics

COUNTERS = '{__name__=~"bytespike_(usage|billing)_.*_total"}'
READINGS = '{__name__=~"bytespike_(wallet|quota|rate_limit|key|organization|ledger|account)_.*"}'
"""What is only known while the gateway answers."""


@pytest.mark.parametrize("kind", ["proxy", "hang"])
def test_an_outage_of_the_gateway_hides_what_is_unknown_and_loses_nothing(
    scene: Scene, victoria_metrics: VictoriaMetrics, kind: str
) -> None:
    gateway = scene.gateway()
    timeout = {"timeout": "1s"}
    daemon = scene.daemon(gateway, victoria_metrics.endpoint, gateway=timeout)
    gateway.bill(3, credits=1_000_001)
    gateway.post("topup", usd=50)
    before = gateway.truth()
    counters = {**expected.usage(before), **expected.billing(before)}
    eventually(lambda: assert_shows(by_name(victoria_metrics.query(COUNTERS)), counters))
    gateway.post("fault", kind=kind, status=502)
    # A VictoriaMetrics that asks itself what it had in the last second alone.
    lately = "last_over_time({}[1s])"

    def hidden() -> None:
        assert by_name(victoria_metrics.query(lately.format(READINGS))) == {}
        query = lately.format('{__name__=~"bytespike_.*"}')
        shown = by_name(victoria_metrics.query(query))
        assert_shows(shown, counters)
        endpoints = ("account", "usage", "transactions")
        down = {series(endpoint=endpoint): 0.0 for endpoint in endpoints}
        assert_shows(shown, {"bytespike_gateway_up": down})

    eventually(hidden)
    for _ in range(3):
        gateway.bill(key=18, model="first-used-meanwhile", credits=MICRO)
    gateway.post("faults/clear")

    def caught_up() -> None:
        truth = gateway.truth()
        shown = by_name(victoria_metrics.query('{__name__=~"bytespike_.*"}'))
        assert_shows(shown, expected.usage(truth), expected.billing(truth), expected.wallet(truth))
        assert set(shown["bytespike_gateway_up"].values()) == {1.0}
        assert_shows(shown, {"bytespike_ledger_drift_USD": {series(): 0.0}})

    eventually(caught_up)
    assert exports(daemon, "failure") == 0

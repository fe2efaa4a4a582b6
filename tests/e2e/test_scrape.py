"""A scrape of `/metrics` says the same as the OTLP path: names, labels and values."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.e2e.daemon import Daemon
from tests.e2e.expected import Shown, by_name
from tests.e2e.scene import Scene
from tests.e2e.waiting import eventually
from tests.peers.prometheus import Prometheus
from tests.peers.victoria_metrics import VictoriaMetrics

OURS = '{__name__=~"bytespike_.*"}'
MOVING = "bytespike_exporter_exports_total"
"""Grows with every export, and so between two looks."""


def quiet_daemon(scene: Scene, endpoint: str) -> Daemon:
    """A daemon that has counted something, in two polls, and polls no more."""
    gateway = scene.gateway(odd_names=True, keys=6, history="2h", history_rows=300, errands=True)
    daemon = scene.daemon(gateway, endpoint, usage={"start": "-1h"})
    gateway.bill(3, credits=123_457)
    eventually(lambda: _assert_in("bytespike_wallet_runway_seconds", daemon.metrics()))
    daemon.stop()
    daemon.settle(poll={"account": "1h", "usage": "1h", "transactions": "1h"})
    daemon.start()
    daemon.wait_until_ready()
    return daemon


def _assert_in(name: str, text: str) -> None:
    assert name in text


def without_starts(shown: Shown) -> Shown:
    """All but what OpenMetrics says of start times; bucket bounds without a decimal point.

    OpenMetrics demands `le="1.0"` where the OTLP translation says `le="1"`.
    """
    return {
        name: {
            frozenset((k, v.removesuffix(".0") if k == "le" else v) for k, v in labels): value
            for labels, value in values.items()
        }
        for name, values in shown.items()
        if not name.endswith("_created") and name != MOVING
    }


def assert_same(by_otlp: Shown, scraped: Shown) -> None:
    """The same names, labels and values, but for digits that VictoriaMetrics does not keep."""
    assert by_otlp.keys() == scraped.keys()
    for name, values in scraped.items():
        assert (name, by_otlp[name].keys()) == (name, values.keys())
        for labels, value in values.items():
            assert by_otlp[name][labels] == pytest.approx(value, rel=1e-12, abs=0), name


def test_prometheus_scrapes_what_victoria_metrics_got_by_otlp(
    scene: Scene, victoria_metrics: VictoriaMetrics, tmp_path: Path
) -> None:
    daemon = quiet_daemon(scene, victoria_metrics.endpoint)
    prometheus = scene.start_peer(Prometheus(tmp_path / "prometheus", [f"{daemon.url}/metrics"]))
    [(_, up)] = prometheus.scraped()
    assert up == 1
    [target] = prometheus.get("/api/v1/targets").json()["data"]["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")

    def same() -> None:
        scraped = by_name(prometheus.query(OURS))
        # It asks for OpenMetrics, which says when each series started.
        assert scraped["bytespike_usage_cost_USD_created"]
        by_otlp = by_name(victoria_metrics.query(OURS))
        del by_otlp[MOVING]
        assert_same(by_otlp, without_starts(scraped))

    eventually(same)


def test_promtool_finds_nothing_to_complain_of(scene: Scene, promtool: Path) -> None:
    daemon = quiet_daemon(scene, "")
    done = subprocess.run(
        [promtool, "check", "metrics"],
        input=daemon.metrics(),
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

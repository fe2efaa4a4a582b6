"""Each peer takes one point, or one alert, and gives it back."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (
    OTLPMetricExporter as GrpcExporter,
)
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from tests.peers import missing as missing_module
from tests.peers.alertmanager import Alertmanager
from tests.peers.collector import Collector, Received
from tests.peers.fixtures import StartPeer
from tests.peers.missing import require
from tests.peers.process import Peer, PeerError, until
from tests.peers.prometheus import Prometheus
from tests.peers.victoria_metrics import VictoriaMetrics
from tests.peers.vmagent import VmAgent

SECOND = 1_000_000_000


def spend(value: float, start_ns: int, time_ns: int) -> MetricsData:
    """One cumulative point of `bytespike.test.spend`, in USD."""
    point = NumberDataPoint({"bytespike.account.name": "prod"}, start_ns, time_ns, value)
    total = Sum([point], AggregationTemporality.CUMULATIVE, is_monotonic=True)
    metric = Metric("bytespike.test.spend", "Spent.", "USD", total)
    scope = ScopeMetrics(InstrumentationScope("test"), [metric], "")
    resource = Resource({"service.name": "test"})
    return MetricsData([ResourceMetrics(resource, [scope], "")])


def send(exporter: OTLPMetricExporter | GrpcExporter, *batches: MetricsData) -> None:
    """Send each batch; all must be accepted."""
    try:
        for batch in batches:
            assert exporter.export(batch) is MetricExportResult.SUCCESS
    finally:
        exporter.shutdown()


@pytest.fixture
def target() -> Iterator[str]:
    """The URL of a `/metrics` that says `test_gauge 42`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(b"test_gauge 42\n")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/metrics"
        server.shutdown()
        thread.join()


def test_victoria_metrics_stores_a_point_under_its_prometheus_name(
    victoria_metrics: VictoriaMetrics,
) -> None:
    now = time.time_ns()
    send(
        OTLPMetricExporter(victoria_metrics.endpoint),
        spend(0, now - 60 * SECOND, now - 60 * SECOND),
        spend(1.25, now - 60 * SECOND, now),
    )
    [(labels, value)] = victoria_metrics.query("bytespike_test_spend_USD_total")
    assert value == 1.25
    assert labels["bytespike_account_name"] == "prod"
    [series] = victoria_metrics.stored("bytespike_test_spend_USD_total")
    assert [sample for _, sample in series.samples] == [0, 1.25]
    assert series.samples[1][0] == now // 1_000_000


def test_the_collector_writes_what_it_received_over_http(collector: Collector) -> None:
    now = time.time_ns()
    send(OTLPMetricExporter(f"{collector.http}/v1/metrics"), spend(2.5, now - SECOND, now))
    [point] = until(collector.points, "a point")
    assert point == Received(
        name="bytespike.test.spend",
        unit="USD",
        kind="sum",
        attributes={"bytespike.account.name": "prod"},
        resource={"service.name": "test"},
        start_ns=now - SECOND,
        time_ns=now,
        value=2.5,
    )
    exposed = httpx.get(collector.metrics_url, trust_env=False).text
    assert "bytespike_test_spend_USD_total{" in exposed


def test_the_collector_turns_totals_into_growth_over_grpc(collector: Collector) -> None:
    now = time.time_ns()
    send(
        GrpcExporter(collector.grpc, insecure=True),
        spend(2.5, now, now + SECOND),
        spend(4.0, now, now + 2 * SECOND),
    )
    deltas = until(lambda: collector.deltas()[1:], "a second point")
    assert deltas[-1].value == 1.5


def test_prometheus_scrapes_a_target(target: str, start_peer: StartPeer, tmp_path: Path) -> None:
    prometheus = start_peer(Prometheus(tmp_path / "prometheus", [target]))
    [(_, up)] = prometheus.scraped()
    assert up == 1
    assert prometheus.query("test_gauge")[0][1] == 42


def test_vmagent_passes_a_point_on_to_prometheus(start_peer: StartPeer, tmp_path: Path) -> None:
    prometheus = start_peer(Prometheus(tmp_path / "prometheus"))
    agent = start_peer(VmAgent(tmp_path / "vmagent", prometheus.remote_write))
    now = time.time_ns()
    send(OTLPMetricExporter(agent.endpoint), spend(1.25, now - SECOND, now))
    [(labels, value)] = prometheus.wait_for("bytespike_test_spend_USD_total")
    assert (labels["bytespike_account_name"], value) == ("prod", 1.25)


def test_a_rule_fires_through_prometheus_into_alertmanager(
    alertmanager: Alertmanager, start_peer: StartPeer, amtool: Path, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("groups: [{name: g, rules: [{alert: Always, expr: vector(1)}]}]")
    start_peer(Prometheus(tmp_path / "prometheus", rules=[rules], alertmanager=alertmanager.url))
    assert until(alertmanager.alerts, "an alert")[0]["alertname"] == "Always"
    command = [str(amtool), f"--alertmanager.url={alertmanager.url}", "alert", "query"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "Always" in shown


def test_promtool_refuses_a_broken_rule(promtool: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("groups: [{name: g, rules: [{alert: A, expr: 'sum('}]}]")
    done = subprocess.run([promtool, "check", "rules", rules], check=False, capture_output=True)
    assert done.returncode != 0


class Broken(Peer):
    """A peer that ends at once."""

    def command(self) -> list[str | Path]:
        return ["sh", "-c", "echo no such option; exit 2"]

    def started(self) -> None:
        self.logged("(never)")


def test_a_peer_that_does_not_start_says_what_it_logged(tmp_path: Path) -> None:
    with pytest.raises(PeerError, match="no such option"), Broken(tmp_path):
        pass


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A binary that scripts/peers could not get."""
    monkeypatch.setattr(missing_module, "PEERS", tmp_path)
    (tmp_path / "otelcol.missing").write_text("no Go here to build it\n")
    return tmp_path / "otelcol" / "otelcol"


def test_a_missing_peer_skips_with_its_reason(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PEERS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no otelcol: no Go here to build it"):
        require(nowhere)


def test_a_missing_peer_fails_where_it_is_required(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEERS", "required")
    with pytest.raises(pytest.fail.Exception, match="no otelcol: no Go here to build it"):
        require(nowhere)

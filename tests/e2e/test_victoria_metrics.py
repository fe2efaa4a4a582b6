"""What VictoriaMetrics shows is what the gateway billed, metric by metric."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from exporter.metrics.catalogue import CATALOGUE
from exporter.metrics.metric import MetricKind
from exporter.metrics.prometheus import prometheus_name
from exporter.secrets import Secret
from exporter.tap.hook import QuotaTap
from tests.e2e import expected
from tests.e2e.daemon import Daemon
from tests.e2e.expected import Shown, assert_shows, by_name, series
from tests.e2e.gateway import Gateway
from tests.e2e.scene import Scene
from tests.e2e.waiting import eventually
from tests.peers.prometheus import Prometheus
from tests.peers.victoria_metrics import VictoriaMetrics
from tests.peers.vmagent import VmAgent

OURS = '{__name__=~"bytespike_.*"}'


def everything(gateway: Gateway) -> list[Shown]:
    """All that the world knows now, in parts."""
    truth = gateway.truth()
    return [
        expected.usage(truth),
        expected.billing(truth),
        expected.wallet(truth),
        expected.quotas(gateway),
        expected.envelope(gateway),
        {
            "bytespike_wallet_low_balance_threshold_USD": {series(): 5.0},
            "bytespike_wallet_low_balance_active": {series(): 0.0},
            "bytespike_usage_overcount_USD": {series(): 0.0},
            "bytespike_ledger_drift_USD": {series(): 0.0},
            "bytespike_gateway_up": {
                series(endpoint=name): 1.0 for name in ("account", "usage", "transactions")
            },
            "bytespike_account_info": {
                series(
                    user_id="88",
                    user_tier="individual",
                    organization_id="1",
                    organization_name="Example AI",
                    organization_role="admin",
                ): 1.0
            },
            "bytespike_gateway_info": {series(gateway_address=gateway.url): 1.0},
            "bytespike_exporter_series_folded": {series(): 0.0},
        },
    ]


def call(daemon: Daemon, gateway: Gateway) -> None:
    """An application's call, one that is not billed, in a client with the tap's hook."""
    tap = daemon.logged(r"tap at (\S+) \(UDP\)")
    hooks: dict[str, list[Callable[..., Any]]] = {"response": [QuotaTap(tap)]}
    headers = {"x-api-key": gateway.key}
    with httpx.Client(event_hooks=hooks, trust_env=False, timeout=10) as client:
        assert client.get(f"{gateway.url}/v1/models", headers=headers).status_code == 200


def names_of_the_catalogue() -> set[str]:
    """Every name that a receiver stores when every metric has a point."""
    names = set()
    for metric in CATALOGUE:
        name = prometheus_name(metric)
        histogram = metric.kind is MetricKind.HISTOGRAM
        names |= {f"{name}_{part}" for part in ("bucket", "count", "sum")} if histogram else {name}
    return names


def test_every_number_in_victoria_metrics_is_what_the_gateway_billed(
    scene: Scene, victoria_metrics: VictoriaMetrics
) -> None:
    gateway = scene.gateway(models=3, rate=60, speed=20, key_list="full")
    (scene.folder / "secret").write_text("shared with the gateway\n")
    daemon = scene.daemon(
        gateway,
        victoria_metrics.endpoint,
        tap={"listen": "127.0.0.1:0"},
        webhook={"secret_file": str(scene.folder / "secret")},
    )
    for _ in range(3):
        call(daemon, gateway)
    gateway.live(seconds=3)
    gateway.post("topup", usd=100, bonus=10)
    gateway.post("topup", usd=0.1)
    for kind, amount in (("admin_debit", -2_500_001), ("admin_credit", 5_000_000), ("new", -1)):
        gateway.post("transaction", kind=kind, amount=amount)
    for status in ("pending", "failed"):
        gateway.post("transaction", kind="topup", amount=1_000_000, status=status)
    calls = sum(usage.calls for usage in gateway.truth().usage)
    assert calls > 20

    def same() -> None:
        shown = by_name(victoria_metrics.query(OURS))
        assert_shows(shown, *everything(gateway))
        rows = shown["bytespike_exporter_usage_rows_total"]
        assert rows[series(outcome="counted")] == calls
        assert rows[series(outcome="rejected")] == 0
        movements = shown["bytespike_billing_transactions_total"]
        assert movements[series(transaction_kind="topup")] == 3
        seen = shown["bytespike_tap_responses_total"]
        assert seen[series(key_id=Secret(gateway.key).masked(), status_class="2xx")] == 3
        used, shares = (shown[f"bytespike_quota_{n}"] for n in ("usage_USD", "utilization_ratio"))
        for labels, limit in shown["bytespike_quota_limit_USD"].items():
            assert shares[labels] == pytest.approx(used[labels] / limit, rel=1e-12)

    eventually(same)
    names = victoria_metrics.get("/api/v1/label/__name__/values").json()["data"]
    assert set(names) == names_of_the_catalogue()


def test_the_first_spend_of_a_new_key_and_model_is_an_increase(
    scene: Scene, victoria_metrics: VictoriaMetrics
) -> None:
    gateway = scene.gateway()
    scene.daemon(gateway, victoria_metrics.endpoint)
    for key, model in ((17, "claude-sonnet-4-6"), (18, "claude-sonnet-4-6"), (18, "brand-new")):
        gateway.bill(key=key, model=model, credits=1_234_567)
    truth = expected.usage(gateway.truth())

    def same() -> None:
        for name, values in truth.items():
            # The second is Prometheus' idea of an increase: nothing before the first sample.
            for function in ("increase", "increase_prometheus"):
                query = f'label_set({function}({name}[5m]), "__name__", "{name}")'
                grown = by_name(victoria_metrics.query(query)).get(name, {})
                assert {k: round(v, 6) for k, v in grown.items()} == values

    eventually(same)


def test_the_first_spend_is_an_increase_in_prometheus_by_remote_write(scene: Scene) -> None:
    prometheus = scene.start_peer(Prometheus(scene.folder / "prometheus"))
    agent = scene.start_peer(VmAgent(scene.folder / "vmagent", prometheus.remote_write))
    gateway = scene.gateway()
    scene.daemon(gateway, agent.endpoint)
    gateway.bill(model="brand-new", credits=1_234_567)
    truth = expected.usage(gateway.truth())

    def same() -> None:
        assert_shows(by_name(prometheus.query(OURS)), truth)
        for name, values in truth.items():
            for labels, value in prometheus.query(f"min_over_time({name}[5m])"):
                assert value == 0, labels
            # Prometheus extrapolates to the window's ends, so an increase is never exact there.
            grown = prometheus.query(f"increase({name}[5m])")
            assert len(grown) == len(values)
            assert all(value > 0 for _, value in grown)

    eventually(same)

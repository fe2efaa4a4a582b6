"""The chart as Helm renders it: valid objects, what each switch does, what a person is told."""

from __future__ import annotations

from functools import cache
from typing import Any

import certifi
import jsonschema
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from helm_python import HelmError, lint

from exporter.config import Config
from exporter.config_file import parse
from scripts.alerts.thresholds import read
from tests.deploy import crds
from tests.deploy.charts import (
    EXPORTER,
    MINIMAL,
    SIDECAR,
    Object,
    configurations,
    every_scenario,
    kind,
    objects,
    scenarios,
    texts,
)

OLDEST, NEWEST = "1.29", "1.37"
"""The versions of Kubernetes that are claimed: native sidecars are on by default from 1.29."""


@cache
def rendered() -> dict[str, list[Object]]:
    return dict(every_scenario())


NAMES = [f"exporter-{name}" for name in scenarios(EXPORTER)]
NAMES += [f"sidecar-{name}" for name in scenarios(SIDECAR)] + ["manifest"]


def with_values(**values: Any) -> list[Object]:
    return objects(MINIMAL | values)


@pytest.mark.parametrize("scenario", scenarios(EXPORTER))
def test_helm_has_no_complaint_under_any_scenario(scenario: str) -> None:
    report = lint(EXPORTER, scenarios(EXPORTER)[scenario], strict=True)
    assert report["errors"] == []
    assert [m["error"] for m in report["messages"]] == ["icon is recommended"]


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("scenario", NAMES)
def test_every_object_is_what_kubernetes_expects(scenario: str, version: str) -> None:
    for item in rendered()[scenario]:
        if item["kind"] not in crds.KINDS:
            kubernetes_validate.validate(item, version, strict=True)


OPERATED = [
    ("exporter-everything", "ServiceMonitor"),
    ("exporter-everything", "PrometheusRule"),
    ("exporter-trial", "PodMonitor"),
]


@pytest.mark.parametrize(("scenario", "wanted"), OPERATED)
def test_every_object_for_the_prometheus_operator_is_what_it_expects(
    scenario: str, wanted: str
) -> None:
    item = kind(rendered()[scenario], wanted)
    crds.validate(item)
    mistakes: list[object] = [item["spec"] | {"misspelt": 1}, []]
    for spec in mistakes:
        with pytest.raises(jsonschema.ValidationError):
            crds.validate(item | {"spec": spec})


@pytest.mark.parametrize("chart", [EXPORTER, SIDECAR])
def test_the_charts_claim_the_versions_that_are_tested(chart: Any) -> None:
    about = yaml.safe_load((chart / "Chart.yaml").read_text("utf-8"))
    assert about["kubeVersion"] == f">={OLDEST}.0-0"


def test_a_native_sidecar_is_no_object_of_an_older_kubernetes() -> None:
    deployment = kind(rendered()["sidecar-minimal"], "Deployment")
    with pytest.raises(kubernetes_validate.ValidationError, match="restartPolicy"):
        kubernetes_validate.validate(deployment, "1.27", strict=True)


@pytest.mark.parametrize("scenario", NAMES)
def test_the_exporter_loads_every_rendered_configuration(scenario: str) -> None:
    (text,) = configurations(rendered()[scenario])
    config = load(text)
    assert config.accounts
    assert str(config.state_path) == "/var/lib/bytespike/bytespike.db"
    assert config.http_listen is not None


def load(text: str) -> Config:
    # What is on a volume of the pod is not on this machine; any certificate does.
    return parse(text.replace("/etc/otlp/ca.crt", certifi.where()), {})


def test_values_arrive_in_the_configuration() -> None:
    text = configurations(objects(scenarios(EXPORTER)["everything"]))[0]
    config = load(text)
    assert [account.name for account in config.accounts] == ["prod", "research.eu"]
    assert config.accounts[1].base_url == "https://gateway.example:8443"
    assert config.usage.max_series == config.usage.credits_per_usd == 1_000_000
    assert config.usage.start.back == 86_400
    assert config.otlp.endpoint == "https://collector.example:4318/v1/metrics"
    assert config.resource_attributes == {
        "deployment.environment.name": "production",
        "team": "123",
    }
    assert config.http_listen is not None
    assert config.http_listen.port == 8080


def test_a_changed_configuration_starts_the_pod_anew() -> None:
    def checksum(found: list[Object]) -> str:
        pod = kind(found, "Deployment")["spec"]["template"]
        return str(pod["metadata"]["annotations"]["checksum/config"])

    before = checksum(with_values())
    assert checksum(with_values(podLabels={"a": "b"})) == before
    assert checksum(with_values(config={"poll": {"usage": "2m"}})) != before


def test_objects_of_other_operators_come_only_when_asked_for() -> None:
    kinds = {item["kind"] for item in with_values()}
    assert kinds.isdisjoint(crds.KINDS)
    assert "Secret" not in kinds
    for scenario, wanted in OPERATED:
        assert kind(rendered()[scenario], wanted)


def test_the_pod_has_time_to_end() -> None:
    pod = kind(with_values(), "Deployment")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > 10


def test_the_network_policy_follows_the_configured_ports() -> None:
    def ports(found: list[Object]) -> list[list[int]]:
        rules = kind(found, "NetworkPolicy")["spec"]["egress"]
        return [[port["port"] for port in rule["ports"]] for rule in rules]

    assert ports(with_values()) == [[53, 53], [443]]
    assert ports(rendered()["exporter-environment"]) == [[53, 53], [80], [4318]]
    assert ports(rendered()["exporter-replicas"]) == [[53, 53], [443], [4317]]
    everything = ports(rendered()["exporter-everything"])
    assert everything == [[53, 53, 5353, 5353], [443, 8443], [4318], [3128]]


def test_only_scraping_comes_in() -> None:
    ingress = kind(with_values(), "NetworkPolicy")["spec"]["ingress"]
    assert [rule["ports"] for rule in ingress] == [[{"port": "http", "protocol": "TCP"}]]
    assert kind(rendered()["exporter-environment"], "NetworkPolicy")["spec"]["ingress"] == []


def test_services_and_monitors_leave_the_pod_of_the_helm_test_alone() -> None:
    found = rendered()["exporter-everything"]
    check = kind(found, "Pod")
    assert check["metadata"]["annotations"]["helm.sh/hook"] == "test"
    labels = check["metadata"]["labels"]
    selectors = [
        kind(found, "Service")["spec"]["selector"],
        kind(found, "Deployment")["spec"]["selector"]["matchLabels"],
        kind(found, "ServiceMonitor")["spec"]["selector"]["matchLabels"],
    ]
    for selector in selectors:
        assert not selector.items() <= labels.items()
    policy = kind(found, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"]
    assert policy.items() <= labels.items()


def test_common_labels_cannot_break_what_selectors_need() -> None:
    found = with_values(commonLabels={"app.kubernetes.io/name": "other", "team": "x"})
    deployment = kind(found, "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert all(item["metadata"]["labels"]["team"] == "x" for item in found)


def test_a_release_may_be_a_number() -> None:
    deployment = kind(objects(MINIMAL, release="123"), "Deployment")
    kubernetes_validate.validate(deployment, NEWEST, strict=True)


def test_the_claim_outlives_the_release_unless_told_otherwise() -> None:
    annotations = kind(with_values(), "PersistentVolumeClaim")["metadata"]["annotations"]
    assert annotations == {"helm.sh/resource-policy": "keep"}
    found = kind(rendered()["exporter-everything"], "PersistentVolumeClaim")
    assert "helm.sh/resource-policy" not in found["metadata"]["annotations"]


def test_default_thresholds_are_those_of_the_alerts() -> None:
    alerts = yaml.safe_load((EXPORTER / "values.yaml").read_text("utf-8"))["alerts"]
    settings = read()
    assert alerts["thresholds"] == settings.thresholds
    assert alerts["runbookUrl"] == settings.runbook_url


def test_thresholds_arrive_in_the_alerts() -> None:
    rules = kind(rendered()["exporter-everything"], "PrometheusRule")["spec"]["groups"]
    text = str(rules)
    assert "wallet_balance_USD:min < 25.5" in text
    assert "[30m]" in text
    assert "{{ .Values" not in text


def test_each_dashboard_is_a_config_map_that_grafana_finds() -> None:
    dashboards = sorted(path.name for path in (EXPORTER / "dashboards").glob("*.json"))
    maps = [item for item in rendered()["exporter-everything"] if item["kind"] == "ConfigMap"]
    found = [item for item in maps if "grafana_dashboard" in item["metadata"].get("labels", {})]
    assert sorted(name for item in found for name in item["data"]) == dashboards
    for item in found:
        assert item["metadata"]["namespace"] == "monitoring"
        assert len(str(item)) < 1_000_000  # Kubernetes takes 1 MiB


def test_the_notes_say_what_to_look_at_next() -> None:
    notes = texts(MINIMAL)["NOTES.txt"]
    assert "helm test spike --namespace monitoring" in notes
    assert "Nobody reads the metrics yet" in notes
    trial = texts(scenarios(EXPORTER)["trial"])["NOTES.txt"]
    assert "starts counting from now" in trial
    assert "Prefer accounts[].existingSecret" in trial
    assert "Nobody reads" not in trial


REFUSED = [
    ({"accounts": []}, "accounts: needs at least one"),
    ({"acounts": []}, "additional properties 'acounts' not allowed"),
    ({"accounts": [{"name": "prod"}]}, "at '/accounts/0': missing property 'existingSecret'"),
    ({"accounts": [{"name": "a b", "apiKey": "k"}]}, "'a b' does not match pattern"),
    ({"accounts": [{"name": "a", "apiKey": "k"}] * 2}, 'two accounts are named "a"'),
    ({"config": {"otlp": {"headers": {"a": "b"}}}}, "properties 'headers' not allowed"),
    ({"config": {"poll": {"account": "1 minute"}}}, "at '/config/poll/account'"),
    ({"config": {"state": {"path": "/tmp/x"}}}, "additional properties 'state' not allowed"),
    ({"config": {"usage": {"max_series": 0}}}, "at '/config/usage/max_series'"),
    ({"image": {"digest": "latest"}}, "'latest' does not match pattern '^(sha256:"),
    ({"extraEnv": [{"name": "K", "value": "sk-byts-0123"}]}, "at '/extraEnv/0/value'"),
    ({"terminationGracePeriodSeconds": 5}, "minimum: got 5, want 11"),
    ({"replicaCount": 2}, "more than one needs persistence.enabled=false"),
    ({"strategy": "RollingUpdate"}, "strategy: RollingUpdate needs persistence.enabled=false"),
    ({"podDisruptionBudget": {"enabled": True}}, "could only block node drains"),
    (
        {"serviceMonitor": {"enabled": True}, "service": {"enabled": False}},
        "podMonitor.enabled does without a Service",
    ),
    (
        {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}},
        "everything would be scraped twice",
    ),
    ({"alerts": {"thresholds": {"rateLimitRemainingRatio": 10}}}, "maximum: got 10, want 1"),
    ({"networkPolicy": {"dnsPorts": []}}, "at '/networkPolicy/dnsPorts'"),
]


@pytest.mark.parametrize(("values", "message"), REFUSED, ids=[text for _, text in REFUSED])
def test_a_mistake_is_refused_with_what_is_wrong(values: Object, message: str) -> None:
    with pytest.raises(HelmError) as caught:
        objects(MINIMAL | values)
    assert message in str(caught.value)

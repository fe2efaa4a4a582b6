"""The chart as Helm renders it: valid objects, and what each switch does."""

from __future__ import annotations

import re
from typing import Any

import certifi
import jsonschema
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from helm_python import lint

from exporter.config.load import parse
from exporter.config.types import Config, Listen, Tap
from scripts.alerts import read
from tests.deploy import crds
from tests.deploy.charts import (
    EXPORTER,
    MINIMAL,
    NEWEST,
    OLDEST,
    SIDECAR,
    Object,
    configurations,
    kind,
    objects,
    our_containers,
    pod_specs,
    rendered,
    scenario_names,
    scenarios,
    texts,
)
from tests.deploy.test_chart_network import service

NAMES = scenario_names()


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


@pytest.mark.parametrize("chart", [EXPORTER, SIDECAR])
def test_artifact_hub_can_read_what_the_charts_tell_it(chart: Any) -> None:
    annotations = yaml.safe_load((chart / "Chart.yaml").read_text("utf-8"))["annotations"]
    assert all(name.startswith("artifacthub.io/") for name in annotations)
    links = yaml.safe_load(annotations["artifacthub.io/links"])
    changes = yaml.safe_load(annotations["artifacthub.io/changes"])
    assert [set(link) for link in links] == [{"name", "url"}] * len(links)
    assert {change["kind"] for change in changes} <= {"added", "changed", "fixed", "removed"}


def test_a_native_sidecar_is_no_object_of_an_older_kubernetes() -> None:
    deployment = kind(rendered()["sidecar-minimal"], "Deployment")
    with pytest.raises(kubernetes_validate.ValidationError, match="restartPolicy"):
        kubernetes_validate.validate(deployment, "1.27", strict=True)


@pytest.mark.parametrize("scenario", NAMES)
def test_the_exporter_loads_every_rendered_configuration(scenario: str) -> None:
    (text,) = configurations(rendered()[scenario])
    config = load(text)
    assert config.accounts
    assert str(config.state.path) == "/var/lib/bytespike/bytespike.db"
    assert config.http.listen is not None


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
    assert config.http.listen is not None
    assert config.http.listen.port == 8080


def test_tap_and_webhook_arrive_in_the_configuration() -> None:
    config = load(configurations(rendered()["exporter-tap"])[0])
    assert config.tap.listen == Listen("0.0.0.0", 9789)
    assert config.tap.account == "prod"
    assert config.webhook.path == "/hooks/money"
    assert config.webhook.signature_header == "X-Signature"
    datagrams = load(configurations(rendered()["exporter-datagrams"])[0])
    assert datagrams.tap.listen == Listen("::", 8789)
    assert load(configurations(with_values())[0]).tap == Tap()


def test_the_page_answers_under_the_names_of_the_service() -> None:
    found = rendered()["exporter-everything"]
    name = service(found, "exporter")["metadata"]["name"]
    short = f"{name}.monitoring"
    http = load(configurations(found)[0]).http
    names = (name, short, f"{short}.svc", f"{short}.svc.cluster.local", "status.example.org")
    assert http.allow_hosts == names
    without = with_values(service={"enabled": False})
    assert load(configurations(without)[0]).http.allow_hosts == ()


def test_the_webhooks_secret_is_where_the_configuration_looks_for_it() -> None:
    found = rendered()["exporter-tap"]
    secret_file = load(configurations(found)[0]).webhook.secret_file
    for pod in pod_specs(found):
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        (container,) = our_containers(pod)
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        secret = volumes["webhook"]["secret"]
        assert secret["secretName"] == "bytespike-webhook"
        (item,) = secret["items"]
        assert item["key"] == "hmac"
        assert f"{mounts['webhook']}/{item['path']}" == str(secret_file)
    (pod, *_) = pod_specs(with_values())
    assert "webhook" not in {volume["name"] for volume in pod["volumes"]}


def test_an_account_s_own_secret_is_where_the_configuration_looks_for_it() -> None:
    secret = {"name": "hooks", "key": "of-prod"}
    accounts = [
        {"name": "prod", "existingSecret": {"name": "k"}, "webhookSecret": secret},
        {"name": "test", "existingSecret": {"name": "k"}},
    ]
    found = with_values(accounts=accounts)
    config = load(configurations(found)[0])
    files = [account.webhook_secret_file for account in config.accounts]
    assert (config.webhook.secret_file, files[1]) == (None, None)
    (pod, *_) = pod_specs(found)
    (container,) = our_containers(pod)
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    (source,) = volumes["webhooks"]["projected"]["sources"]
    assert source["secret"] == {"name": "hooks", "items": [{"key": "of-prod", "path": "prod"}]}
    assert f"{mounts['webhooks']}/prod" == str(files[0])
    assert "webhook" not in volumes


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


def test_a_cluster_may_choose_the_user_itself() -> None:
    chosen = dict.fromkeys(("runAsUser", "runAsGroup", "fsGroup"))
    pod = kind(with_values(podSecurityContext=chosen), "Deployment")["spec"]["template"]["spec"]
    assert pod["securityContext"].keys().isdisjoint(chosen)
    assert pod["securityContext"]["runAsNonRoot"] is True


def test_another_chart_may_depend_on_it() -> None:
    found = with_values(**{"global": {"imageRegistry": "registry.example"}, "enabled": True})
    assert found == with_values()


def test_a_configuration_of_nothing_has_the_exporters_defaults() -> None:
    assert load(configurations(with_values(config=None))[0]).otlp.endpoint.startswith("http://")


def test_the_pod_has_time_to_end() -> None:
    pod = kind(with_values(), "Deployment")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > 10


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
    tap = texts(scenarios(EXPORTER)["tap"])["NOTES.txt"]
    assert "http://spike-bytespike-exporter-tap.monitoring:9788" in tap
    assert "/hooks/money on port 9464" in tap


def test_the_values_that_the_documentation_shows_are_taken() -> None:
    text = (EXPORTER.parents[2] / "docs" / "kubernetes.md").read_text("utf-8")
    text = text.replace("sha256:…", f"sha256:{'0' * 64}")
    known = yaml.safe_load((EXPORTER / "values.yaml").read_text("utf-8")).keys()
    blocks = re.findall(r"^```yaml\n(.*?)^```", text, re.M | re.S)
    loaded = [yaml.safe_load(block) for block in blocks if "{{" not in block]
    shown = [block for block in loaded if block.keys() <= known]
    assert {name for block in shown for name in block} >= {"accounts", "image", "networkPolicy"}
    for block in shown:
        assert kind(objects(MINIMAL | block), "Deployment")

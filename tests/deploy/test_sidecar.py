"""The sidecar three ways: library chart, Kustomize component, plain manifest."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from helm_python import HelmError

from exporter.config.load import parse
from exporter.config.types import Listen
from scripts.chart.sidecar import render
from tests.deploy.charts import (
    DEPLOY,
    NEWEST,
    OLDEST,
    SIDECAR,
    Object,
    configurations,
    kind,
    nginx_containers,
    our_containers,
)
from tests.peers.missing import KUBECTL, require

WORKLOADS = """\
apiVersion: apps/v1
kind: {kind}
metadata:
  name: app
  labels: {{bytespike-sidecar: {label}}}
spec:
  selector: {{matchLabels: {{app: app}}}}
  template:
    metadata: {{labels: {{app: app}}}}
    spec:
      initContainers:
        - {{name: migrate, image: "migrate:1"}}
      containers:
        - name: app
          image: "app:1"
          envFrom: [{{configMapRef: {{name: bytespike-tap, optional: true}}}}]
      volumes:
        - {{name: data, emptyDir: {{}}}}
"""


def kustomize(
    folder: Path, workload: str, more: str = "", component: str = "sidecar"
) -> list[Object]:
    """What Kustomize makes of a workload and the component."""
    shutil.copytree(DEPLOY / "kustomize" / component, folder / component)
    (folder / "workload.yaml").write_text(workload, "utf-8")
    lines = ["resources: [workload.yaml]", f"components: [{component}]", more]
    (folder / "kustomization.yaml").write_text("\n".join(lines), "utf-8")
    words = [str(require(KUBECTL)), "kustomize", str(folder)]
    done = subprocess.run(words, capture_output=True, check=False, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def pod_of(workload: Object) -> Object:
    spec: Object = workload["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("workload", ["Deployment", "StatefulSet", "DaemonSet"])
def test_the_component_adds_the_sidecar_and_takes_nothing_away(
    workload: str, tmp_path: Path
) -> None:
    found = kustomize(tmp_path, WORKLOADS.format(kind=workload, label="enabled"))
    pod = pod_of(kind(found, workload))
    assert {one["name"] for one in pod["initContainers"]} == {"migrate", "bytespike-exporter"}
    assert [one["name"] for one in pod["containers"]] == ["app"]
    assert "data" in {volume["name"] for volume in pod["volumes"]}
    (container,) = our_containers(pod)
    assert container["restartPolicy"] == "Always"
    if workload == "Deployment":
        for version in (OLDEST, NEWEST):
            kubernetes_validate.validate(kind(found, workload), version, strict=True)


def test_the_component_leaves_other_workloads_alone(tmp_path: Path) -> None:
    found = kustomize(tmp_path, WORKLOADS.format(kind="Deployment", label="disabled"))
    assert our_containers(pod_of(kind(found, "Deployment"))) == []


def test_the_components_config_map_is_loaded_and_renames_with_its_content(
    tmp_path: Path,
) -> None:
    found = kustomize(tmp_path, WORKLOADS.format(kind="Deployment", label="enabled"))
    name = kind(found, "ConfigMap")["metadata"]["name"]
    volumes = {one["name"]: one for one in pod_of(kind(found, "Deployment"))["volumes"]}
    assert volumes["bytespike-config"]["configMap"]["name"] == name != "bytespike-sidecar"
    assert parse(configurations(found)[0], {}).accounts


def test_an_image_of_ones_own_reaches_the_sidecar(tmp_path: Path) -> None:
    images = "images: [{name: bytespike-exporter, newName: registry.example/spike, newTag: '7'}]"
    found = kustomize(tmp_path, WORKLOADS.format(kind="Deployment", label="enabled"), images)
    names = [one["image"] for one in pod_of(kind(found, "Deployment"))["initContainers"]]
    assert "registry.example/spike:7" in names


# -- the tap --------------------------------------------------------------------------

TAP: Object = {"tap": {"enabled": True}}


def environment(pod: Object) -> dict[str, str]:
    """The literal variables of the application's container."""
    (container,) = pod["containers"]
    return {one["name"]: one["value"] for one in container.get("env", []) if "value" in one}


def test_without_a_tap_the_application_is_left_alone() -> None:
    found = render({}, "app")
    assert environment(pod_of(kind(found, "Deployment"))) == {}
    assert not parse(configurations(found)[0], {}).tap.enabled


def test_the_application_is_told_where_nginx_is() -> None:
    found = render({"tap": {"enabled": True, "nginx": {"port": 7000}}}, "app")
    assert environment(pod_of(kind(found, "Deployment"))) == {
        "OPENAI_BASE_URL": "http://127.0.0.1:7000/v1",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:7000",
    }
    assert "listen 127.0.0.1:7000;" in kind(found, "ConfigMap")["data"]["nginx.conf"]
    assert parse(configurations(found)[0], {}).tap.listen == Listen("127.0.0.1", 8789)


def test_without_nginx_the_application_is_told_where_to_report() -> None:
    found = render({"tap": {"enabled": True, "port": 7001, "nginx": {"enabled": False}}}, "app")
    assert environment(pod_of(kind(found, "Deployment"))) == {"BYTESPIKE_TAP": "127.0.0.1:7001"}
    tap = parse(configurations(found)[0], {}).tap
    assert tap.listen == Listen("127.0.0.1", 7001)
    assert kind(found, "ConfigMap")["data"].keys() == {"config.yaml"}
    assert nginx_containers(pod_of(kind(found, "Deployment"))) == []


def test_the_tap_is_the_pods_own_whatever_the_address_for_scraping() -> None:
    found = render(TAP | {"listenAddress": "[::]"}, "app")
    tap = parse(configurations(found)[0], {}).tap
    assert tap.listen == Listen("127.0.0.1", 8789)
    assert "listen 127.0.0.1:8788;" in kind(found, "ConfigMap")["data"]["nginx.conf"]
    (container,) = our_containers(pod_of(kind(found, "Deployment")))
    assert [port["name"] for port in container["ports"]] == ["bytespike"]


@pytest.mark.parametrize("workload", ["Deployment", "StatefulSet", "DaemonSet"])
def test_the_component_with_a_tap_tells_the_application_by_a_config_map(
    workload: str, tmp_path: Path
) -> None:
    text = WORKLOADS.format(kind=workload, label="enabled")
    found = kustomize(tmp_path, text, component="sidecar-tap")
    maps = {one["metadata"]["name"]: one["data"] for one in found if one["kind"] == "ConfigMap"}
    (app,) = pod_of(kind(found, workload))["containers"]
    name = app["envFrom"][0]["configMapRef"]["name"]
    assert name.startswith("bytespike-tap-")
    by_helm = render(TAP, "app")
    assert maps[name] == environment(pod_of(kind(by_helm, "Deployment")))
    assert parse(configurations(found)[0], {}) == parse(configurations(by_helm)[0], {})


@pytest.mark.parametrize(("name", "values"), [("sidecar", {}), ("sidecar-tap", TAP)])
def test_the_three_ways_give_the_same_sidecar(name: str, values: Object, tmp_path: Path) -> None:
    helm = render(values, "app")
    plain = list(yaml.safe_load_all((DEPLOY / "manifests" / f"{name}.yaml").read_text("utf-8")))
    text = WORKLOADS.format(kind="Deployment", label="enabled")
    by_kustomize = kustomize(tmp_path, text, component=name)
    pods = [pod_of(kind(found, "Deployment")) for found in (helm, plain, by_kustomize)]
    containers = [our_containers(pod) + nginx_containers(pod) for pod in pods]
    assert containers[0] == containers[1] == containers[2]
    assert environment(pod_of(kind(helm, "Deployment"))) == environment(
        pod_of(kind(plain, "Deployment"))
    )
    configs = [parse(configurations(found)[0], {}) for found in (helm, plain, by_kustomize)]
    assert configs[0] == configs[1] == configs[2]


def test_a_sidecar_leaves_counting_to_the_deployment_unless_told_otherwise() -> None:
    config = parse(configurations(render({}, "app"))[0], {})
    assert not config.usage.enabled
    assert not config.transactions.enabled
    told: Object = {"config": {"usage": {"enabled": True}, "transactions": {"enabled": True}}}
    config = parse(configurations(render(told, "app"))[0], {})
    assert config.usage.enabled
    assert config.transactions.enabled


def test_a_changed_configuration_starts_the_applications_pods_anew() -> None:
    def annotations(values: Object) -> object:
        template = kind(render(values, "app"), "Deployment")["spec"]["template"]
        return template["metadata"]["annotations"]

    assert annotations({}) == annotations({"livenessProbe": {"periodSeconds": 9}})
    assert annotations({}) != annotations({"config": {"poll": {"account": "2m"}}})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"accountname": "x"}, "additional properties 'accountname' not allowed"),
        ({"existingSecret": {"name": "Upper"}}, "'Upper' does not match pattern"),
        ({"config": {"otlp": {"headers": {}}}}, "additional properties 'headers' not allowed"),
        ({"config": {"tap": {}}}, "additional properties 'tap' not allowed"),
        ({"tap": {"enabled": True, "host": "::"}}, "additional properties 'host' not allowed"),
        ({"tap": True}, "at '/tap': got boolean, want object"),
        ({"tap": {"enabled": True, "proxy": False}}, "take tap.proxy out"),
        ({"tap": {"proxyPort": 7000}}, "is called tap.nginx.port now"),
        ({"config": {"poll": {"account_relaxed": "9m"}}}, "account_relaxed: take it out"),
    ],
)
def test_the_library_chart_refuses_mistakes_too(values: Object, message: str) -> None:
    with pytest.raises(HelmError) as caught:
        render(values, "app")
    assert message in str(caught.value)


def test_the_library_chart_renders_nothing_by_itself() -> None:
    about = yaml.safe_load((SIDECAR / "Chart.yaml").read_text("utf-8"))
    assert about["type"] == "library"

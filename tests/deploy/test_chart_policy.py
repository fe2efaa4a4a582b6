"""What every rendered pod must be, whoever renders it: harmless, bounded, and without a secret."""

from __future__ import annotations

import json

import pytest

from exporter.secrets import looks_like_key
from tests.deploy.charts import (
    Object,
    nginx_containers,
    our_containers,
    pod_specs,
    rendered,
    scenario_names,
)

pytestmark = pytest.mark.parametrize("scenario", scenario_names())


def containers(scenario: str) -> list[tuple[Object, Object]]:
    found = [
        (pod, container)
        for pod in pod_specs(rendered()[scenario])
        for container in our_containers(pod) + nginx_containers(pod)
    ]
    assert found
    return found


def test_no_container_can_become_root(scenario: str) -> None:
    for pod, container in containers(scenario):
        context = pod.get("securityContext", {}) | container["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] == context["runAsGroup"] == 65532
        assert context["allowPrivilegeEscalation"] is False
        assert context["privileged"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}


def test_what_a_container_may_write_is_on_a_volume(scenario: str) -> None:
    for pod, container in containers(scenario):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for mount in container["volumeMounts"]:
            volume = volumes[mount["name"]]
            writable = "emptyDir" in volume or "persistentVolumeClaim" in volume
            assert mount.get("readOnly", False) is not writable
            assert "sizeLimit" in volume.get("emptyDir", {"sizeLimit": ""})


def test_no_pod_reaches_into_the_host(scenario: str) -> None:
    for pod in pod_specs(rendered()[scenario]):
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        assert not any("hostPath" in volume for volume in pod["volumes"])
        ours = our_containers(pod) + nginx_containers(pod)
        ports = [port for one in ours for port in one.get("ports", [])]
        assert not any("hostPort" in port for port in ports)


def test_the_exporters_own_pods_have_no_service_account_token(scenario: str) -> None:
    for pod in pod_specs(rendered()[scenario]):
        if not pod.get("initContainers"):  # a sidecar's pod is the application's
            assert pod["automountServiceAccountToken"] is False


def test_every_container_has_requests_and_limits(scenario: str) -> None:
    for _, container in containers(scenario):
        for bound in ("requests", "limits"):
            assert set(container["resources"][bound]) == {"cpu", "memory"}


def test_every_container_that_stays_is_probed(scenario: str) -> None:
    for pod, container in containers(scenario):
        if pod.get("restartPolicy") == "Never":
            continue
        if container in nginx_containers(pod):  # it ends if it does not work
            sidecar = container not in pod["containers"]
            assert ("startupProbe" if sidecar else "readinessProbe") in container
            continue
        assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
        if container in pod["containers"]:
            assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        else:  # it must keep the application neither from starting nor from its traffic
            assert container.keys().isdisjoint({"readinessProbe", "startupProbe"})


def test_nginx_is_there_before_an_application_whose_calls_go_through_it(scenario: str) -> None:
    for pod in pod_specs(rendered()[scenario]):
        variables = [one["name"] for app in pod["containers"] for one in app.get("env", [])]
        before = [one["name"] for one in pod.get("initContainers", [])]
        assert ("OPENAI_BASE_URL" in variables) is ("bytespike-nginx" in before)


def test_a_key_stands_in_no_object_but_a_secret(scenario: str) -> None:
    for item in rendered()[scenario]:
        if item["kind"] != "Secret":
            assert not looks_like_key(json.dumps(item))


def test_no_secret_comes_by_argument_or_literal(scenario: str) -> None:
    for _, container in containers(scenario):
        assert container.get("args") in (
            ["run", "--config", "/etc/bytespike/config.yaml"],
            ["check", "--config", "/etc/bytespike/config.yaml"],
            None,
        )
        assert container.get("command") in (["sh", "/etc/bytespike-nginx/start.sh"], None)
        for variable in container.get("env", []):
            secret = any(word in variable["name"] for word in ("KEY", "HEADERS", "TOKEN"))
            assert not (secret and "value" in variable)

"""A real API server takes what the charts render: Helm installs into it, upgrades and uninstalls.

`make kube-tests` builds the server first. Nothing runs the pods: there is no kubelet.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
import yaml
from helm_python import Config

from scripts.chart.sidecar import render
from tests.deploy.apiserver import ApiServer, Etcd, tools
from tests.deploy.charts import EXPORTER, MINIMAL, SIDECAR, Object, scenarios
from tests.peers.process import free_port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    tools()
    folder = tmp_path_factory.mktemp("kubernetes")
    with (
        Etcd(folder / "etcd", free_port(), free_port()) as etcd,
        ApiServer(folder / "server", etcd.url, free_port()) as found,
    ):
        yield found


def kubectl(server: ApiServer, *words: str, stdin: str | None = None) -> str:
    done = subprocess.run(
        [tools().kubectl, "--kubeconfig", server.kubeconfig, *words],
        input=stdin,
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def helm(server: ApiServer, namespace: str) -> Config:
    return Config(kubeconfig_path=server.kubeconfig, namespace=namespace)


def without_crds(values: Object) -> Object:
    """The values without what needs the Prometheus Operator, which is not there."""
    switches = ("serviceMonitor", "podMonitor", "prometheusRule")
    return values | {switch: {"enabled": False} for switch in switches}


@pytest.mark.parametrize("scenario", scenarios(EXPORTER))
def test_helm_installs_every_scenario_and_takes_it_away_again(
    server: ApiServer, scenario: str
) -> None:
    namespace = f"exporter-{scenario}"
    values = without_crds(scenarios(EXPORTER)[scenario])
    if scenario == "everything":
        values["dashboards"] = {"enabled": True, "namespace": namespace}
    with helm(server, namespace) as client:
        client.install(EXPORTER, "spike", values, create_namespace=True)
        kinds = ("deployments", "configmaps", "networkpolicies", "persistentvolumeclaims")
        found = kubectl(server, "-n", namespace, "get", ",".join(kinds), "-o", "name")
        assert "deployment.apps/" in found
        assert ("networkpolicy" in found) is (scenario != "trial")
        client.upgrade(EXPORTER, "spike", values | {"podLabels": {"upgraded": "yes"}})
        client.uninstall("spike")
    assert remaining(server, namespace, "deployments") == []
    kept = ["spike-bytespike-exporter"] if scenario == "minimal" else []
    assert remaining(server, namespace, "persistentvolumeclaims") == kept


def remaining(server: ApiServer, namespace: str, kinds: str) -> list[str]:
    """Names of what nobody has deleted: no controller runs that would then remove claims."""
    listed = yaml.safe_load(kubectl(server, "-n", namespace, "get", kinds, "-o", "yaml"))
    found = (item["metadata"] for item in listed["items"])
    return [about["name"] for about in found if "deletionTimestamp" not in about]


def test_a_release_of_the_same_name_takes_up_the_claim_that_was_left(server: ApiServer) -> None:
    with helm(server, "again") as client:
        for _ in range(2):
            client.install(EXPORTER, "spike", MINIMAL, create_namespace=True)
            client.uninstall("spike")


@pytest.mark.parametrize("scenario", scenarios(SIDECAR))
def test_the_server_takes_the_sidecar_with_strict_validation(
    server: ApiServer, scenario: str
) -> None:
    manifests = yaml.safe_dump_all(render(scenarios(SIDECAR)[scenario], f"app-{scenario}"))
    words = ("apply", "--server-side", "--validate=strict", "-f", "-")
    assert "deployment.apps/" in kubectl(server, *words, stdin=manifests)


def test_the_server_keeps_what_makes_it_a_native_sidecar(server: ApiServer) -> None:
    manifest = (SIDECAR.parents[1] / "manifests" / "sidecar.yaml").read_text("utf-8")
    kubectl(server, "apply", "--server-side", "--validate=strict", "-f", "-", stdin=manifest)
    path = "jsonpath={.spec.template.spec.initContainers[0].restartPolicy}"
    assert kubectl(server, "get", "deployment", "app", "-o", path) == "Always"


def test_the_pods_meet_the_restricted_standard(server: ApiServer) -> None:
    kubectl(server, "create", "namespace", "strict")
    label = "pod-security.kubernetes.io/enforce=restricted"
    kubectl(server, "label", "namespace", "strict", label)
    with helm(server, "strict") as client:
        release = client.install(EXPORTER, "spike", scenarios(EXPORTER)["minimal"])
    (deployment,) = (
        item
        for item in yaml.safe_load_all(release["manifest"])
        if item and item["kind"] == "Deployment"
    )
    template = deployment["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", **template}
    pod["metadata"] = {"name": "exporter", "labels": template["metadata"]["labels"]}
    created = kubectl(server, "-n", "strict", "create", "-f", "-", stdin=yaml.safe_dump(pod))
    assert "pod/exporter created" in created

"""A real API server takes what the charts render: Helm installs into it, upgrades and uninstalls.

It knows the Prometheus Operator's objects too. `make kube-tests` builds the server first. Nothing
runs the pods: there is no kubelet.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
import yaml
from helm_python import Config

from scripts.chart.sidecar import render
from tests.deploy.apiserver import ApiServer, Etcd, tools
from tests.deploy.charts import EXPORTER, MINIMAL, SIDECAR, kind, objects, scenarios
from tests.peers.missing import CRDS, require
from tests.peers.process import free_port

STRICTLY = ("apply", "--server-side", "--validate=strict", "-f", "-")

KINDS = (
    "deployments", "configmaps", "secrets", "services", "serviceaccounts", "networkpolicies",
    "poddisruptionbudgets", "servicemonitors", "podmonitors", "prometheusrules",
    "persistentvolumeclaims",
)  # fmt: skip
"""What the exporter's chart makes; the last is what an uninstall may leave."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    tools()
    folder = tmp_path_factory.mktemp("kubernetes")
    with (
        Etcd(folder / "etcd", free_port(), free_port()) as etcd,
        ApiServer(folder / "server", etcd.url, free_port()) as found,
    ):
        kubectl(found, "create", "namespace", "monitoring")
        kubectl(found, "apply", "--server-side", "-f", str(require(CRDS)))
        kubectl(found, "wait", "--for=condition=Established", "customresourcedefinitions", "--all")
        yield found


def run(
    server: ApiServer, *words: str, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tools().kubectl, "--kubeconfig", server.kubeconfig, *words],
        input=stdin,
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )


def kubectl(server: ApiServer, *words: str, stdin: str | None = None) -> str:
    done = run(server, *words, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout


def helm(server: ApiServer, namespace: str) -> Config:
    return Config(kubeconfig_path=server.kubeconfig, namespace=namespace)


@pytest.mark.parametrize("scenario", scenarios(EXPORTER))
def test_the_server_takes_every_object_with_strict_validation(
    server: ApiServer, scenario: str
) -> None:
    found = objects(scenarios(EXPORTER)[scenario], release=scenario)
    created = kubectl(server, *STRICTLY, stdin=yaml.safe_dump_all(found))
    assert len(created.splitlines()) == len(found)


def test_the_server_refuses_a_field_that_the_operator_does_not_know(server: ApiServer) -> None:
    monitor = kind(objects(scenarios(EXPORTER)["everything"]), "ServiceMonitor")
    monitor["spec"]["misspelt"] = 1
    done = run(server, *STRICTLY, stdin=yaml.safe_dump(monitor))
    assert done.returncode != 0
    assert "misspelt" in done.stderr


@pytest.mark.parametrize("scenario", scenarios(EXPORTER))
def test_helm_installs_every_scenario_and_takes_it_away_again(
    server: ApiServer, scenario: str
) -> None:
    namespace = f"exporter-{scenario}"
    values = scenarios(EXPORTER)[scenario]
    with helm(server, namespace) as client:
        client.install(EXPORTER, "spike", values, create_namespace=True)
        found = kubectl(server, "-n", namespace, "get", ",".join(KINDS), "-o", "name")
        assert "deployment.apps/" in found
        assert ("networkpolicy" in found) is (scenario != "trial")
        assert ("servicemonitor" in found) is (scenario in ("everything", "tap"))
        assert ("prometheusrule" in found) is (scenario == "everything")
        assert ("podmonitor" in found) is (scenario == "trial")
        client.upgrade(EXPORTER, "spike", values | {"podLabels": {"upgraded": "yes"}})
        client.uninstall("spike")
    assert remaining(server, namespace, *KINDS[:-1]) == []
    kept = ["spike-bytespike-exporter"] if scenario == "minimal" else []
    assert remaining(server, namespace, KINDS[-1]) == kept


def remaining(server: ApiServer, namespace: str, *kinds: str) -> list[str]:
    """Names of what nobody has deleted: no controller runs that would then remove claims."""
    listed = yaml.safe_load(kubectl(server, "-n", namespace, "get", ",".join(kinds), "-o", "yaml"))
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
    assert "deployment.apps/" in kubectl(server, *STRICTLY, stdin=manifests)


def test_the_server_keeps_what_makes_it_a_native_sidecar(server: ApiServer) -> None:
    manifest = (SIDECAR.parents[1] / "manifests" / "sidecar.yaml").read_text("utf-8")
    kubectl(server, *STRICTLY, stdin=manifest)
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

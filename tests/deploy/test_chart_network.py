"""Who reaches the pods that the chart makes, and whom they reach."""

from __future__ import annotations

import pytest

from tests.deploy.charts import EXPORTER, MINIMAL, Object, kind, objects, rendered, scenarios


def service(found: list[Object], component: str) -> Object:
    (one,) = (
        item
        for item in found
        if item["kind"] == "Service"
        and item["metadata"]["labels"]["app.kubernetes.io/component"] == component
    )
    return one


@pytest.mark.parametrize(("scenario", "names"), [("tap", 2), ("datagrams", 1)])
def test_the_taps_service_leads_to_ports_of_the_pod(scenario: str, names: int) -> None:
    found = rendered()[f"exporter-{scenario}"]
    spec = service(found, "tap")["spec"]
    deployment = kind(found, "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    ports = {port["name"]: port for one in pod["containers"] for port in one["ports"]}
    assert len(spec["ports"]) == names == len(ports) - 1
    for port in spec["ports"]:
        target = ports[port["targetPort"]]
        assert (port["port"], port["protocol"]) == (target["containerPort"], target["protocol"])
    assert spec["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    assert not spec["selector"].items() <= kind(found, "Pod")["metadata"]["labels"].items()
    # Requests must not be led to a pod that is ending.
    assert "publishNotReadyAddresses" not in spec


def test_what_is_scraped_is_not_the_taps_service() -> None:
    found = rendered()["exporter-tap"]
    selector = kind(found, "ServiceMonitor")["spec"]["selector"]["matchLabels"]
    assert selector.items() <= service(found, "exporter")["metadata"]["labels"].items()
    assert not selector.items() <= service(found, "tap")["metadata"]["labels"].items()


def test_relabelings_arrive_in_the_monitors() -> None:
    def relabelled(item: Object, endpoints: str) -> list[object]:
        (endpoint,) = item["spec"][endpoints]
        return [*endpoint["relabelings"], *endpoint["metricRelabelings"]]

    for scenario, name, endpoints in (
        ("everything", "serviceMonitor", "endpoints"),
        ("trial", "podMonitor", "podMetricsEndpoints"),
    ):
        said = scenarios(EXPORTER)[scenario][name]
        item = kind(rendered()[f"exporter-{scenario}"], name[0].upper() + name[1:])
        expected = [*said["relabelings"], *said["metricRelabelings"]]
        assert relabelled(item, endpoints) == expected != []


def test_the_network_policy_follows_the_configured_ports() -> None:
    def ports(found: list[Object]) -> list[list[int]]:
        rules = kind(found, "NetworkPolicy")["spec"]["egress"]
        return [[port["port"] for port in rule["ports"]] for rule in rules]

    assert ports(objects(MINIMAL)) == [[53, 53], [443]]
    assert ports(rendered()["exporter-environment"]) == [[53, 53], [80], [4318]]
    assert ports(rendered()["exporter-replicas"]) == [[53, 53], [443], [4317]]
    everything = ports(rendered()["exporter-everything"])
    assert everything == [[53, 53, 5353, 5353], [443, 8443], [4318], [3128]]


def test_only_scraping_comes_in() -> None:
    ingress = kind(objects(MINIMAL), "NetworkPolicy")["spec"]["ingress"]
    assert [rule["ports"] for rule in ingress] == [[{"port": "http", "protocol": "TCP"}]]
    assert kind(rendered()["exporter-environment"], "NetworkPolicy")["spec"]["ingress"] == []


def test_only_who_may_reaches_tap_and_webhook() -> None:
    def ingress(found: list[Object]) -> list[tuple[list[str], list[Object]]]:
        rules = kind(found, "NetworkPolicy")["spec"]["ingress"]
        return [([port["port"] for port in rule["ports"]], rule["from"]) for rule in rules]

    def namespace(name: str) -> Object:
        labels = {"kubernetes.io/metadata.name": name}
        return {"namespaceSelector": {"matchLabels": labels}}

    assert ingress(rendered()["exporter-tap"]) == [
        (["http"], [{"namespaceSelector": {}}, namespace("ingress-nginx")]),
        (["tap", "tap-proxy"], [namespace("shop")]),
    ]
    assert ingress(rendered()["exporter-datagrams"]) == [(["tap"], [{"podSelector": {}}])]


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

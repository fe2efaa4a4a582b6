"""The charts rendered by Helm itself, and the objects that come out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from helm_python import Chart

from scripts.chart.sidecar import render as render_sidecar

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
EXPORTER = DEPLOY / "helm" / "bytespike-exporter"
SIDECAR = DEPLOY / "helm" / "bytespike-sidecar"

OLDEST, NEWEST = "1.29", "1.37"
"""The versions of Kubernetes that are claimed: native sidecars are on by default from 1.29."""

MANIFESTS = {"manifest": "sidecar.yaml", "manifest-tap": "sidecar-tap.yaml"}

Object: TypeAlias = dict[str, Any]
MINIMAL: Object = {"accounts": [{"name": "prod", "existingSecret": {"name": "bytespike"}}]}


def scenarios(chart: Path) -> dict[str, Object]:
    """The values of each file under the chart's ci/, by name."""
    return {
        path.name.removesuffix("-values.yaml"): yaml.safe_load(path.read_text("utf-8"))
        for path in sorted((chart / "ci").glob("*-values.yaml"))
    }


def texts(values: Object, release: str = "spike") -> dict[str, str]:
    """Each file that the exporter's chart renders, by the name of its template."""
    with Chart.load(EXPORTER) as chart:
        rendered = chart.render(values, name=release, namespace="monitoring")
    return {path.rpartition("templates/")[2]: text for path, text in rendered.items()}


def objects(values: Object, release: str = "spike") -> list[Object]:
    files = texts(values, release)
    manifests = (text for path, text in files.items() if not path.endswith(".txt"))
    return [one for text in manifests for one in yaml.safe_load_all(text) if one]


def every_scenario() -> Iterator[tuple[str, list[Object]]]:
    """The objects of both charts under each of their scenarios, and of what is made of them."""
    for name, values in scenarios(EXPORTER).items():
        yield f"exporter-{name}", objects(values)
    for name, values in scenarios(SIDECAR).items():
        yield f"sidecar-{name}", render_sidecar(values, "app")
    for name, file in MANIFESTS.items():
        yield name, list(yaml.safe_load_all((DEPLOY / "manifests" / file).read_text("utf-8")))


@cache
def rendered() -> dict[str, list[Object]]:
    """The same by name, rendered once."""
    return dict(every_scenario())


def scenario_names() -> list[str]:
    """The names of `every_scenario`, without rendering anything."""
    names = [f"exporter-{name}" for name in scenarios(EXPORTER)]
    return names + [f"sidecar-{name}" for name in scenarios(SIDECAR)] + list(MANIFESTS)


def kind(found: Sequence[Object], wanted: str) -> Object:
    """The only object of a kind."""
    (one,) = (item for item in found if item["kind"] == wanted)
    return one


def pod_specs(found: Sequence[Object]) -> list[Object]:
    """The pods among the objects, and those that workloads make."""
    pods = [item["spec"] for item in found if item["kind"] == "Pod"]
    return pods + [
        item["spec"]["template"]["spec"] for item in found if "template" in item.get("spec", {})
    ]


def our_containers(pod: Object) -> list[Object]:
    """The exporter's containers in a pod, sidecar or not."""
    containers = pod.get("initContainers", []) + pod["containers"]
    return [one for one in containers if "bytespike-exporter" in one["image"]]


def nginx_containers(pod: Object) -> list[Object]:
    """The containers that stand in front of the gateway."""
    containers = pod.get("initContainers", []) + pod["containers"]
    return [one for one in containers if one["name"] == "bytespike-nginx"]


def configurations(found: Sequence[Object]) -> list[str]:
    """The text of each configuration of the exporter."""
    maps = (item["data"] for item in found if item["kind"] == "ConfigMap")
    return [data["config.yaml"] for data in maps if "config.yaml" in data]

"""What the Prometheus Operator takes: its own definitions, read as strictly as a server can."""

from __future__ import annotations

from functools import cache

import jsonschema
import yaml

from tests.deploy.charts import Object
from tests.peers.missing import CRDS, require

KINDS = {"ServiceMonitor", "PodMonitor", "PrometheusRule"}


def validate(item: Object) -> None:
    """Raise jsonschema.ValidationError where `item` is not what its definition says."""
    jsonschema.validate(item, _schema(item["kind"], item["apiVersion"]))


@cache
def _schema(kind: str, api_version: str) -> Object:
    path = require(CRDS) / f"monitoring.coreos.com_{kind.lower()}s.yaml"
    spec = yaml.load(path.read_text("utf-8"), yaml.CSafeLoader)["spec"]
    found = {f"{spec['group']}/{one['name']}": one["schema"] for one in spec["versions"]}
    return _closed(found[api_version]["openAPIV3Schema"])


def _closed(schema: Object) -> Object:
    """The schema refusing every field that it does not name, as strict validation does."""
    closed = dict(schema)
    if "properties" in schema:
        closed["properties"] = {name: _closed(one) for name, one in schema["properties"].items()}
        closed["additionalProperties"] = False
    if "pattern" in schema:  # Go sets flags behind the ^ too, Python only at the very beginning
        closed["pattern"] = schema["pattern"].replace("^(?i)", "(?i)^")
    for inner in ("items", "additionalProperties"):
        if isinstance(schema.get(inner), dict):
            closed[inner] = _closed(schema[inner])
    return closed

"""The schemas of the charts' values: `python -m scripts.chart.schema CHART` prints one.

What belongs to the exporter's configuration comes from the exporter's own table of settings.
"""

from __future__ import annotations

import json
import sys

from exporter.config.kinds import FLAG as SWITCH
from exporter.config.kinds import PEM, Kind, MappingOf
from exporter.config.reference import schema_of
from exporter.config.settings import SETTINGS, Setting
from scripts.alerts import read
from scripts.chart.parts import (
    ACCOUNT_NAME,
    ENVIRONMENT,
    FLAG,
    IMAGE,
    NAME,
    NAME_OR_EMPTY,
    OBJECTS,
    OPEN,
    PORT,
    PROBE,
    QUANTITY,
    REMOVED,
    RESOURCES,
    SECRET_KEY,
    SOME_TEXT,
    TEXT,
    TEXTS,
    URL,
    Schema,
    items,
    matching,
    monitor,
    one_of,
    properties,
    struct,
    whole,
)

_OURS = ("state", "http", "otlp.headers", "tap", "webhook")
"""What the chart sets itself, and what is secret."""


def _setting(setting: Setting) -> Schema:
    """What a setting may be, as far as a schema can say; the exporter says the rest.

    Null takes a default of values.yaml out again.
    """
    kind = setting.kind
    if isinstance(kind, MappingOf):
        return TEXTS
    if kind == SWITCH:
        return {"type": ["boolean", "null"]}
    schema = schema_of(kind)
    if "enum" in schema:
        return {"enum": [*schema["enum"], None]}
    if kind == PEM:
        schema["pattern"] = "^/"
    if isinstance(kind, Kind) and kind.bare:
        schema.pop("pattern", None)
    first, *_ = schema["type"]
    return schema | {"type": [first, "null"]}


def configuration() -> Schema:
    """The `config` value of both charts."""
    sections: dict[str, dict[str, object]] = {}
    for name, settings in SETTINGS.items():
        sections[name] = {
            key: _setting(setting)
            for key, setting in settings.items()
            if not {name, f"{name}.{key}"} & set(_OURS)
        }
    top = sections.pop("")
    return struct({name: struct(given) for name, given in sections.items() if given} | top)


def _accounts() -> Schema:
    account = struct(
        {
            "name": ACCOUNT_NAME,
            "baseUrl": URL,
            "existingSecret": struct({"name": NAME, "key": SECRET_KEY}, "name"),
            "apiKey": SOME_TEXT,
        },
        "name",
        oneOf=[{"required": ["existingSecret"]}, {"required": ["apiKey"]}],
    )
    return items(account)


def _threshold(name: str) -> Schema:
    if name.endswith("Ratio"):
        return {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
    if name.endswith("Minutes"):
        return whole(1, 10_000)
    return {"type": "number", "minimum": 0, "maximum": 100_000}


def _network_policy() -> Schema:
    peers = ("scrapeFrom", "gatewayTo", "otlpTo", "dnsTo", "tapFrom", "webhookFrom", "extraEgress")
    lists: Schema = dict.fromkeys(peers, OBJECTS)
    return struct({"enabled": FLAG, "dnsPorts": items(PORT, minItems=1)} | lists)


def _persistence() -> Schema:
    return struct(
        {
            "enabled": FLAG,
            "existingClaim": NAME_OR_EMPTY,
            "storageClass": TEXT,
            "accessMode": one_of("ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"),
            "size": QUANTITY,
            "keep": FLAG,
            "annotations": TEXTS,
        }
    )


def _alerts() -> Schema:
    thresholds: Schema = {name: _threshold(name) for name in read().thresholds}
    return struct({"runbookUrl": URL, "thresholds": struct(thresholds)})


def _tap(more: Schema) -> Schema:
    nginx = struct({"enabled": FLAG, "port": PORT, "image": IMAGE, "resources": RESOURCES})
    removed: Schema = dict.fromkeys(("proxy", "proxyPort"), REMOVED)
    return struct({"enabled": FLAG, "port": PORT, "nginx": nginx} | removed | more)


def _webhook() -> Schema:
    path = matching("^(/[A-Za-z0-9._~-]+)+$")
    header = matching("^[A-Za-z0-9-]+$", maxLength=100)
    return struct(
        {
            "existingSecret": NAME_OR_EMPTY,
            "key": SECRET_KEY,
            "path": path,
            "signatureHeader": header,
        }
    )


def _dashboards() -> Schema:
    return struct(
        {"enabled": FLAG, "labels": TEXTS, "annotations": TEXTS, "namespace": NAME_OR_EMPTY}
    )


def _shared() -> Schema:
    config = configuration()
    properties(config, "poll")["account_relaxed"] = REMOVED
    return {
        "image": IMAGE,
        "config": config,
        "port": PORT,
        "listenAddress": SOME_TEXT,
        "resources": RESOURCES,
        "livenessProbe": PROBE,
        "extraEnv": ENVIRONMENT,
        "extraVolumes": OBJECTS,
        "extraVolumeMounts": OBJECTS,
        # What a chart that depends on this one adds: shared values, and the condition of depending.
        "global": OPEN,
        "enabled": one_of(True),
    }


def exporter_values() -> Schema:
    """The values of bytespike-exporter."""
    texts = ("commonLabels", "commonAnnotations", "podLabels", "podAnnotations", "nodeSelector")
    objects = ("extraEnvFrom", "tolerations")
    own: Schema = {
        "imagePullSecrets": items(struct({"name": NAME}, "name")),
        "accounts": _accounts(),
        "otlpHeaders": struct({"existingSecret": NAME_OR_EMPTY, "key": SECRET_KEY}),
        "tap": _tap({"account": TEXT, "allowHosts": REMOVED}),
        "webhook": _webhook(),
        "replicaCount": whole(0),
        "strategy": one_of("Recreate", "RollingUpdate"),
        "persistence": _persistence(),
        "podSecurityContext": OPEN,
        "securityContext": OPEN,
        "serviceAccount": struct({"create": FLAG, "name": NAME_OR_EMPTY, "annotations": TEXTS}),
        "service": struct({"enabled": FLAG, "annotations": TEXTS, "allowHosts": items(SOME_TEXT)}),
        "terminationGracePeriodSeconds": whole(11),  # the exporter may take 10 to end
        "readinessProbe": PROBE,
        "networkPolicy": _network_policy(),
        "podDisruptionBudget": struct({"enabled": FLAG, "maxUnavailable": whole(1)}),
        "serviceMonitor": monitor(),
        "podMonitor": monitor(),
        "prometheusRule": struct({"enabled": FLAG, "labels": TEXTS}),
        "alerts": _alerts(),
        "dashboards": _dashboards(),
        "nameOverride": TEXT,
        "fullnameOverride": NAME_OR_EMPTY,
        "extraObjects": items({"type": ["object", "string"]}),
        "affinity": OPEN,
        "topologySpreadConstraints": OBJECTS,
        "priorityClassName": NAME_OR_EMPTY,
        "test": struct({"enabled": FLAG}),
    }
    return _shared() | own | dict.fromkeys(texts, TEXTS) | dict.fromkeys(objects, OBJECTS)


def sidecar_values() -> Schema:
    """The values of bytespike-sidecar."""
    return _shared() | {
        "accountName": ACCOUNT_NAME,
        "existingSecret": struct({"name": NAME, "key": SECRET_KEY}, "name", "key"),
        "tap": _tap({}),
        "configMapName": NAME_OR_EMPTY,
    }


CHARTS = {"bytespike-exporter": exporter_values, "bytespike-sidecar": sidecar_values}


def schema(chart: str) -> str:
    """The text of a chart's values.schema.json."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"{chart}: values"}
    whole_schema = head | struct(CHARTS[chart]())
    return json.dumps(whole_schema, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema(sys.argv[1]))

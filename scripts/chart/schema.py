"""The schemas of the charts' values: `python -m scripts.chart.schema CHART` prints one.

What belongs to the exporter's configuration comes from the exporter's own table of settings.
"""

from __future__ import annotations

import json
import re
import sys

from exporter.config.kinds import FLAG as SETTING_FLAG
from exporter.config.kinds import PEM, Pairs, Setting
from exporter.config.kinds import URL as SETTING_URL
from exporter.config.settings import SETTINGS
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
    struct,
    whole,
)

_OURS = ("state", "http", "otlp.headers", "tap", "webhook")
"""What the chart sets itself, and what is secret."""

_REMOVED: Schema = {"description": "Removed: the templates refuse it and say what to do."}

_KINDS = {SETTING_FLAG: FLAG, SETTING_URL: URL, PEM: matching("^/")}


def _or_null(schema: Schema) -> Schema:
    """What may also be null: that takes a default of values.yaml out again."""
    if "enum" in schema:
        words = schema["enum"]
        assert isinstance(words, list)
        return {"enum": [*words, None]}
    return schema | {"type": [schema["type"], "null"]}


def _setting(setting: Setting) -> Schema:
    """What a setting may be, as far as a schema can say; the exporter says the rest."""
    kind = setting.kind
    if isinstance(kind, Pairs):
        return TEXTS
    if kind in _KINDS:
        return _or_null(_KINDS[kind])
    if kind.name.startswith("duration"):
        return _or_null(matching("^[0-9]+(ms|s|m|h|d)$"))
    if bounds := re.match(r"whole number, (\d+) to (\d+)", kind.name):
        return _or_null(whole(int(bounds[1]), int(bounds[2])))
    if kind.name.startswith("`") and "ISO" not in kind.name:
        return _or_null(one_of(*re.findall("`([^`]+)`", kind.name)))
    if setting.path == "otlp.endpoint":
        return _or_null(matching("^(https?://[^ ]+)?$"))
    return _or_null(TEXT)


def configuration() -> Schema:
    """The `config` value of both charts."""
    sections: dict[str, dict[str, object]] = {}
    top: Schema = {}
    for setting in SETTINGS:
        if setting.path in _OURS or setting.section.partition(".")[0] in _OURS:
            continue
        if setting.section:
            sections.setdefault(setting.section, {})[setting.key] = _setting(setting)
        else:
            top[setting.key] = _setting(setting)
    sections["poll"]["account_relaxed"] = _REMOVED
    return struct({name: struct(settings) for name, settings in sections.items()} | top)


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
    removed: Schema = dict.fromkeys(("proxy", "proxyPort"), _REMOVED)
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
    return {
        "image": IMAGE,
        "config": configuration(),
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
        "tap": _tap({"account": TEXT, "allowHosts": _REMOVED}),
        "webhook": _webhook(),
        "replicaCount": whole(0),
        "strategy": one_of("Recreate", "RollingUpdate"),
        "persistence": _persistence(),
        "podSecurityContext": OPEN,
        "securityContext": OPEN,
        "serviceAccount": struct({"create": FLAG, "name": NAME_OR_EMPTY, "annotations": TEXTS}),
        "service": struct({"enabled": FLAG, "annotations": TEXTS}),
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

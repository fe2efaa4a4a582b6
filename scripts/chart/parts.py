"""Pieces of JSON schema that the charts' values are made of."""

from __future__ import annotations

from typing import TypeAlias

Schema: TypeAlias = dict[str, object]


def struct(properties: Schema, *required: str, **more: object) -> Schema:
    """An object with these properties and no others."""
    needed = {"required": list(required)} if required else {}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        **needed,
        **more,
    }


def properties(schema: Schema, *path: str) -> Schema:
    """The properties of an object, or of one further in."""
    found = schema["properties"]
    assert isinstance(found, dict)
    return properties(found[path[0]], *path[1:]) if path else found


def items(item: Schema, **more: object) -> Schema:
    """An array of such items."""
    return {"type": "array", "items": item, **more}


def one_of(*words: object) -> Schema:
    """One of these values."""
    return {"enum": list(words)}


def whole(least: int, most: int | None = None) -> Schema:
    """A whole number."""
    return {"type": "integer", "minimum": least} | ({} if most is None else {"maximum": most})


def matching(pattern: str, **more: object) -> Schema:
    """A text that fits a regular expression."""
    return {"type": "string", "pattern": pattern, **more}


def monitor() -> Schema:
    """The values of a ServiceMonitor or PodMonitor."""
    duration = matching("^[0-9]+(ms|s|m|h)$")
    return struct(
        {
            "enabled": FLAG,
            "interval": duration,
            "scrapeTimeout": duration,
            "labels": TEXTS,
            "relabelings": OBJECTS,
            "metricRelabelings": OBJECTS,
        }
    )


TEXT: Schema = {"type": "string"}
SOME_TEXT: Schema = {"type": "string", "minLength": 1}
FLAG: Schema = {"type": "boolean"}
REMOVED: Schema = {"description": "Removed: the templates refuse it and say what to do."}
URL = matching("^https?://[^ ]+$")
TEXTS: Schema = {"type": "object", "additionalProperties": TEXT}
OPEN: Schema = {"type": "object"}
OBJECTS = items(OPEN)
NAME = matching("^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", maxLength=253)
NAME_OR_EMPTY = matching("^([a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$", maxLength=253)
SECRET_KEY = matching("^[A-Za-z0-9._-]+$", maxLength=253)
ACCOUNT_NAME = matching("^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
"""Stricter than the exporter, because the name is that of a file too."""
PORT = whole(1, 65535)
QUANTITY: Schema = {
    "type": ["string", "number"],
    "pattern": r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$",
}
RESOURCES = struct(
    {
        "requests": {"type": "object", "additionalProperties": QUANTITY},
        "limits": {"type": "object", "additionalProperties": QUANTITY},
    }
)
IMAGE = struct(
    {
        "repository": SOME_TEXT,
        "tag": TEXT,
        "digest": matching("^(sha256:[0-9a-f]{64})?$"),
        "pullPolicy": one_of("IfNotPresent", "Always", "Never"),
    }
)
PROBE = struct(
    {
        "initialDelaySeconds": whole(0),
        "periodSeconds": whole(1),
        "timeoutSeconds": whole(1),
        "failureThreshold": whole(1),
    }
)
ENVIRONMENT = items(
    struct(
        # Keys come from Secrets: whoever may read the pod may read this.
        {
            "name": SOME_TEXT,
            "value": {"type": "string", "not": {"pattern": "sk-byts-"}},
            "valueFrom": OPEN,
        },
        "name",
    )
)

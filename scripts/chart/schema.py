"""The schemas of the charts' values.

What belongs to a chart alone stands in its values.schema.json and is changed there. What belongs
to the exporter's configuration and to the alerts is filled in from their own tables.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

from exporter.config.kinds import FLAG, PEM, Kind, MappingOf
from exporter.config.reference import schema_of
from exporter.config.settings import SETTINGS, Setting
from scripts.alerts import read

Schema: TypeAlias = dict[str, Any]

CHARTS = Path(__file__).resolve().parents[2] / "deploy" / "helm"
_OURS = ("state", "http", "otlp.headers", "tap", "webhook")
"""What the chart sets itself, and what is secret."""

_REMOVED: Schema = {"description": "Removed: the templates refuse it and say what to do."}


def _struct(properties: Schema) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _setting(setting: Setting) -> Schema:
    """What a setting may be, as far as a schema can say; the exporter says the rest.

    Null takes a default of values.yaml out again.
    """
    kind = setting.kind
    if isinstance(kind, MappingOf):
        return {"type": "object", "additionalProperties": {"type": "string"}}
    if kind == FLAG:
        return {"type": ["boolean", "null"]}
    schema = schema_of(kind)
    if "enum" in schema:
        return {"enum": [*schema["enum"], None]}
    if kind == PEM:
        schema["pattern"] = "^/"
    first, *_ = schema["type"]
    types = [first, "null"]
    if isinstance(kind, Kind) and kind.bare:
        schema.pop("pattern", None)
        if kind.empty:
            types, schema["pattern"] = [first, "string", "null"], f"^{kind.empty}$"
    return schema | {"type": types}


def configuration() -> Schema:
    """The `config` value of both charts."""
    sections: dict[str, Schema] = {}
    for name, settings in SETTINGS.items():
        sections[name] = {
            key: _setting(setting)
            for key, setting in settings.items()
            if not {name, f"{name}.{key}"} & set(_OURS)
        }
    top = sections.pop("")
    sections["poll"]["account_relaxed"] = _REMOVED
    return _struct({name: _struct(given) for name, given in sections.items() if given} | top)


def _threshold(name: str) -> Schema:
    if name.endswith("Ratio"):
        return {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
    if name.endswith("Minutes"):
        return {"type": "integer", "minimum": 1, "maximum": 10_000}
    return {"type": "number", "minimum": 0, "maximum": 100_000}


def schema(chart: str) -> str:
    """The text of a chart's values.schema.json, from the file as it is."""
    text = (CHARTS / chart / "values.schema.json").read_text(encoding="utf-8")
    whole: Schema = json.loads(text)
    values = whole["properties"]
    values["config"] = configuration()
    if "alerts" in values:
        thresholds = {name: _threshold(name) for name in read().thresholds}
        values["alerts"]["properties"]["thresholds"] = _struct(thresholds)
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"

"""The settings as a document and as a schema for editors.

`python -m exporter.config.reference` prints `docs/configuration.md`, whose text above the tables is
written by hand; with `--schema` it prints `docs/config.schema.json`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from exporter.config.kinds import AnyKind, ListOf, MappingOf
from exporter.config.otel_env import VARIABLES
from exporter.config.settings import ACCOUNT, SECTIONS, SETTINGS, Setting
from exporter.config.types import Account

Schema = dict[str, Any]

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"
_BELOW = "<!-- All below is generated: make generate. -->\n"


def markdown() -> str:
    """The reference: the text that is written by hand, and tables of all settings."""
    written, _, _ = DOCUMENT.read_text(encoding="utf-8").partition(_BELOW)
    parts = [written + _BELOW, _section("accounts", Account, ACCOUNT)]
    parts += [_section(name, SECTIONS[name], SETTINGS[name]) for name in SECTIONS]
    parts.append("## At the top of the file\n\n" + _settings(SETTINGS[""]))
    variables = (
        ["<br>".join(f"`{name}`" for name in v.names), f"`{v.setting}`", v.about] for v in VARIABLES
    )
    parts.append("## `OTEL_*` variables\n\n")
    parts[-1] += table(("variable", "stands in for", "meaning"), variables)
    return "\n".join(parts)


def _section(name: str, struct: type[msgspec.Struct], settings: dict[str, Setting]) -> str:
    about = (struct.__doc__ or "").partition("\n\n")[0]
    return f"## {name}\n\n{about}\n\n{_settings(settings)}"


def _settings(settings: dict[str, Setting]) -> str:
    rows = ([f"`{key}`", one.kind.name, _default(one), one.about] for key, one in settings.items())
    return table(("key", "value", "default", "meaning"), rows)


def _default(setting: Setting) -> str:
    if setting.default is msgspec.NODEFAULT:
        return "required" if setting.key == "name" else "`gateway.base_url`"
    shown = setting.kind.shown(setting.default)
    if shown is None:
        return "none"
    return f"`{shown}`" if isinstance(shown, str) and shown else f"`{json.dumps(shown)}`"


def table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    titles = list(titles)
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def schema() -> str:
    """The JSON Schema of the file. It accepts all that the exporter does, and a little more."""
    account = _struct(ACCOUNT, ("name",)) | {
        "oneOf": [{"required": ["api_key_env"]}, {"required": ["api_key_file"]}]
    }
    sections: Schema = {name: _struct(SETTINGS[name]) for name in SECTIONS}
    whole = _struct(SETTINGS[""], ("accounts",))
    whole["properties"] |= sections | {
        "accounts": {"type": "array", "minItems": 1, "items": account}
    }
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ByteSpike exporter",
    }
    return json.dumps(head | whole, indent=1, ensure_ascii=False) + "\n"


def _struct(settings: dict[str, Setting], required: tuple[str, ...] = ()) -> Schema:
    return {
        "type": "object" if required else ["object", "null"],
        "properties": {key: _property(setting) for key, setting in settings.items()},
        "additionalProperties": False,
        "required": list(required),
    }


def _property(setting: Setting) -> Schema:
    described = schema_of(setting.kind) | {"description": setting.about}
    if setting.default is msgspec.NODEFAULT:
        return described
    default = setting.kind.shown(setting.default)
    return described if default is None else described | {"default": default}


def schema_of(kind: AnyKind) -> Schema:
    """What an editor accepts for a value: texts may look like numbers or switches."""
    if isinstance(kind, ListOf):
        return {"type": ["array", "null"], "items": schema_of(kind.item)}
    if isinstance(kind, MappingOf):
        names = {"pattern": f"^({kind.key.pattern})$"}
        values = schema_of(kind.item)
        return {"type": ["object", "null"], "propertyNames": names, "additionalProperties": values}
    if kind.words:
        return {"enum": list(kind.words)}
    if kind.bare and kind.bounds:
        least, most = kind.bounds
        bounds: Schema = {"minimum": least, "maximum": most}
        if isinstance(least, int):  # 1_000_000 is a text in the YAML of editors
            texts = "[1-9][0-9]*(_[0-9]+)+" + (f"|{kind.empty}" if kind.empty else "")
            return {"type": ["integer", "string"]} | bounds | {"pattern": f"^({texts})$"}
        return {"type": ["number"]} | bounds
    other = {"number": "7", "boolean": "true"}
    types = [name for name, example in other.items() if re.fullmatch(kind.pattern, example)]
    return {"type": ["string", *types], "pattern": f"^({kind.pattern})$"}


if __name__ == "__main__":
    sys.stdout.write(schema() if "--schema" in sys.argv else markdown())

"""`deploy/alerts/thresholds.yaml` → the numbers that stand for `<<name>>`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec
import yaml

FILE = Path(__file__).resolve().parents[2] / "deploy" / "alerts" / "thresholds.yaml"

_NAME = re.compile(r"<<([A-Za-z]+)>>")


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the runbook is read, and the numbers by name."""

    runbook_url: str = msgspec.field(name="runbookUrl")
    thresholds: dict[str, int | float]


def read(path: Path = FILE) -> Thresholds:
    """The file. Raises OSError, yaml.YAMLError, msgspec.ValidationError."""
    return msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), Thresholds)


def named(text: str) -> set[str]:
    """The thresholds that a text asks for."""
    return set(_NAME.findall(text))


def fill(text: str, values: Mapping[str, object]) -> str:
    """The text with every `<<name>>` as its value. Raises KeyError for one without."""
    return _NAME.sub(lambda found: str(values[found[1]]), text)

"""What is shipped: the rule files and the runbook, and the queries in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "alerts" / "rules.yaml"
RUNBOOK = ROOT / "docs" / "runbook.md"
ALERTMANAGER = ROOT / "deploy" / "alerts" / "alertmanager.yaml"
HELM_RULES = ROOT / "deploy" / "helm" / "bytespike-exporter" / "files" / "rules.yaml"


class Query(NamedTuple):
    """A query, and where it stands."""

    where: str
    text: str


def rules(text: str | None = None) -> list[dict[str, Any]]:
    """Every rule of a rule file's text, the shipped one by default."""
    document = yaml.safe_load(RULES.read_text(encoding="utf-8") if text is None else text)
    return [rule for group in document["groups"] for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def rule_queries() -> Iterator[Query]:
    """Every expression of a rule, and every query in an annotation."""
    for rule in rules():
        name = rule.get("alert") or rule["record"]
        yield Query(name, rule["expr"])
        for key, text in rule.get("annotations", {}).items():
            for query in re.findall(r'query \(printf "(.*?)" \$', text):
                yield Query(f"{name}, {key}", query.replace("%q", '"x"'))


def sections() -> dict[str, str]:
    """The sections of the runbook by their heading's anchor."""
    parts = re.split(r"^#+ (.+)$", RUNBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {
        re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-"): body
        for heading, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def runbook_queries() -> Iterator[Query]:
    """Every block of PromQL in the runbook."""
    for anchor, body in sections().items():
        for block in re.findall(r"```promql\n(.*?)```", body, flags=re.DOTALL):
            for query in block.strip().split("\n\n"):
                yield Query(f"runbook, {anchor}", query)

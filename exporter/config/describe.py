"""The effective configuration as text, with secrets hidden."""

from __future__ import annotations

from exporter.config.kinds import quote
from exporter.config.settings import SETTINGS
from exporter.config.types import Account, Config
from exporter.secrets import redact

_INDENT = "  "


def describe(config: Config) -> str:
    """The configuration in the form of the file, every default written out.

    Values of headers are hidden; keys are not in a `Config` at all. Settings that no text says
    (PEM files that are not given) are left out.
    """
    lines = ["accounts:"]
    for account in config.accounts:
        lines += _account(account)
    open_sections: list[str] = []
    for setting in SETTINGS:
        text = setting.text(config)
        if text is None:
            continue
        *sections, key = setting.path.split(".")
        for depth, name in enumerate(sections):
            if open_sections[: depth + 1] != sections[: depth + 1]:
                lines.append(f"{depth * _INDENT}{name}:")
        open_sections = sections
        lines.append(f"{len(sections) * _INDENT}{key}: {text}")
    return redact("\n".join(lines) + "\n")


def _account(account: Account) -> list[str]:
    lines = [f"  - name: {quote(account.name)}"]
    if account.api_key_env is not None:
        lines.append(f"    api_key_env: {quote(account.api_key_env)}")
    if account.api_key_file is not None:
        lines.append(f"    api_key_file: {quote(str(account.api_key_file))}")
    return [*lines, f"    base_url: {quote(account.base_url)}"]

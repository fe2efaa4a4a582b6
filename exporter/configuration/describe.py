"""The effective configuration as text, with secrets hidden."""

from __future__ import annotations

from exporter.config import Account, Config
from exporter.configuration.settings import SETTINGS, quote
from exporter.redaction import redact


def describe(config: Config) -> str:
    """The configuration in the form of the file, every default written out.

    Values of headers are hidden; keys are not in a `Config` at all. Settings that no text says
    (PEM files that are not given) are left out.
    """
    lines = ["accounts:"]
    for account in config.accounts:
        lines += _account(account)
    section = ""
    for setting in SETTINGS:
        text = setting.text(config)
        if text is None:
            continue
        if setting.section and setting.section != section:
            lines.append(f"{setting.section}:")
        section = setting.section
        lines.append(f"{'  ' if section else ''}{setting.key}: {text}")
    return redact("\n".join(lines) + "\n")


def _account(account: Account) -> list[str]:
    lines = [f"  - name: {quote(account.name)}"]
    if account.api_key_env is not None:
        lines.append(f"    api_key_env: {quote(account.api_key_env)}")
    if account.api_key_file is not None:
        lines.append(f"    api_key_file: {quote(str(account.api_key_file))}")
    return [*lines, f"    base_url: {quote(account.base_url)}"]

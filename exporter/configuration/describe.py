"""The effective configuration as text, with secrets hidden."""

from __future__ import annotations

import json
import re

from exporter.config import Account, Config
from exporter.configuration.settings import SETTINGS, Pairs, Setting
from exporter.redaction import redact

HIDDEN = "(hidden)"
_SIMPLE = re.compile(r"[A-Za-z0-9_./:-]*[A-Za-z0-9_./-]")


def describe(config: Config) -> str:
    """The configuration in the form of the file, every default written out.

    Values of headers are hidden, keys are not in a `Config` at all. Settings that are off and
    have no text (PEM files) are left out.
    """
    lines = ["accounts:"]
    for account in config.accounts:
        lines += _account(account)
    section = ""
    for setting in SETTINGS:
        text = _text(setting, config)
        if text is None:
            continue
        if setting.section and setting.section != section:
            section = setting.section
            lines.append(f"{section}:")
        lines.append(f"{'  ' if setting.section else ''}{setting.key}: {text}")
    return redact("\n".join(lines) + "\n")


def _account(account: Account) -> list[str]:
    lines = [f"  - name: {_quote(account.name)}"]
    if account.api_key_env is not None:
        lines.append(f"    api_key_env: {_quote(account.api_key_env)}")
    if account.api_key_file is not None:
        lines.append(f"    api_key_file: {_quote(str(account.api_key_file))}")
    return [*lines, f"    base_url: {_quote(account.base_url)}"]


def _text(setting: Setting, config: Config) -> str | None:
    value = setting.of(config)
    if isinstance(setting.kind, Pairs):
        assert isinstance(value, dict)
        pairs = (
            f"{_quote(name)}: {HIDDEN if setting.kind.secret else _quote(str(text))}"
            for name, text in value.items()
        )
        return f"{{{', '.join(pairs)}}}"
    if value is None and setting.default is None:
        return None
    text = setting.kind.show(value)
    return text if text == '""' else _quote(text)


def _quote(text: str) -> str:
    """`text` as a YAML scalar."""
    return text if _SIMPLE.fullmatch(text) else json.dumps(text, ensure_ascii=False)

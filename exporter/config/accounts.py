"""The list of accounts, and where each account's key comes from."""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingABC
from pathlib import Path

from exporter.config.problems import Problems, quoted
from exporter.config.settings import ACCOUNT_KEYS
from exporter.config.tree import Mapping, Node, Scalar, Sequence
from exporter.config.types import Account
from exporter.config.walk import ACCOUNTS, names_key, read_scalar, refuse_unknown

_ENTRY = "{name: prod, api_key_env: BYTESPIKE_API_KEY}"
_LIST = f"write accounts: [{_ENTRY}]"
_SHOWN_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
_SENDABLE = re.compile(r"[!-~]+")


def read_accounts(
    root: Mapping, base_url: str, environ: MappingABC[str, str], problems: Problems
) -> tuple[Account, ...]:
    """The accounts, each with a name of its own. `base_url` is for those that give none."""
    node = root.entries.get(ACCOUNTS)
    if node is None or (isinstance(node, Scalar) and node.null):
        problems.add(ACCOUNTS, f"is missing; {_LIST}", node.line if node else 0)
        return ()
    if not isinstance(node, Sequence):
        problems.add(ACCOUNTS, f"is not a list; {_LIST}", node.line)
        return ()
    if not node.items:
        problems.add(ACCOUNTS, f"is empty; {_LIST}", node.line)
    accounts: list[Account] = []
    names: dict[str, str] = {}
    for index, item in enumerate(node.items):
        path = f"{ACCOUNTS}[{index}]"
        account = _account(path, item, base_url, environ, problems)
        if account is None:
            continue
        first = names.setdefault(account.name, path)
        if first != path:
            message = f"{quoted(account.name)} is the name of {first} too"
            problems.add(f"{path}.name", message, item.line)
        accounts.append(account)
    return tuple(accounts)


def _account(
    path: str, node: Node, base_url: str, environ: MappingABC[str, str], problems: Problems
) -> Account | None:
    """One account; None where it has no usable name."""
    if not isinstance(node, Mapping):
        if not (isinstance(node, Scalar) and node.refused):
            problems.add(path, f"is not an account; write {_ENTRY}", node.line)
        return None
    known = tuple(key.key for key in ACCOUNT_KEYS)
    refuse_unknown(node, path, known, problems)
    found: dict[str, object] = {}
    for key in ACCOUNT_KEYS:
        if key.key in node.entries:
            value = read_scalar(key.kind, f"{path}.{key.key}", node.entries[key.key], problems)
            found.update((key.key, one) for one in value)
    _check_key_source(path, node, found.get("api_key_env"), environ, problems)
    if "name" not in node.entries:
        problems.add(f"{path}.name", "is missing", node.line)
    if "name" not in found:
        return None
    variable, file = found.get("api_key_env"), found.get("api_key_file")
    return Account(
        name=str(found["name"]),
        base_url=str(found.get("base_url", base_url)),
        api_key_env=str(variable) if variable is not None else None,
        api_key_file=file if isinstance(file, Path) else None,
    )


def _check_key_source(
    path: str,
    node: Mapping,
    variable: object,
    environ: MappingABC[str, str],
    problems: Problems,
) -> None:
    """Exactly one of the two sources; and a variable holds a key that can be sent."""
    sources = [key for key in ("api_key_env", "api_key_file") if key in node.entries]
    if not sources and not any(names_key(key) for key in node.entries):
        problems.add(path, "has no key; give api_key_env or api_key_file", node.line)
    if len(sources) > 1:
        problems.add(path, "has both api_key_env and api_key_file; give one of them", node.line)
    if isinstance(variable, str):
        # A key of another kind, pasted here by mistake, can look like a variable's name.
        shown = f"variable {variable}" if _SHOWN_VARIABLE.fullmatch(variable) else "variable"
        problem = _problem_of_key(environ.get(variable))
        if problem:
            problems.add(
                f"{path}.api_key_env",
                f"the environment {shown} {problem}",
                node.lines["api_key_env"],
            )


def _problem_of_key(value: str | None) -> str | None:
    if value is None:
        return "is not set"
    if not value.strip():
        return "is empty"
    if not _SENDABLE.fullmatch(value.strip()):
        return "does not hold a key: there are spaces or characters that a header cannot carry"
    return None

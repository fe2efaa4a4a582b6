"""YAML and environment → `Config`, with every mistake reported at once.

Nothing but redaction is kept from one call to the next, so that a reload is simply another call.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct
from msgspec.structs import replace

from exporter.config import nodes
from exporter.config.caveats import caveats
from exporter.config.kinds import Kind, ListOf, MappingOf
from exporter.config.nodes import KEY_IN_FILE, Node, join
from exporter.config.otel_env import complete
from exporter.config.problems import Mistake, Problems, printable, quoted
from exporter.config.settings import ACCOUNT, REMOVED, SECTIONS, SETTINGS, Given, Setting, build
from exporter.config.types import Account, Config, Gateway
from exporter.errors import ConfigError
from exporter.secrets import protect, redact

_ENTRY = "{name: prod, api_key_env: BYTESPIKE_API_KEY}"
_SHOWN_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
_NOTHING = Node(0, "")
_SENDABLE = re.compile(r"[!-~]+")


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """The configuration in the file at `path`, as `parse` reads it. Raises ConfigError."""
    name = printable(str(path))
    try:
        with path.open("rb") as file:
            content = file.read(nodes.MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise ConfigError((f"{name}: cannot be read: {reason}",)) from error
    if len(content) > nodes.MAX_BYTES:
        raise ConfigError((f"{name}: is larger than 1 MiB, too large for a configuration",))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        # Not chained: that exception holds the whole content.
        raise ConfigError((f"{name}: is not UTF-8 (line {line})",)) from None
    return parse(text, environ)


def parse(text: str, environ: Mapping[str, str]) -> Config:
    """The configuration that `text` and the variables in `environ` make.

    Files that it names are looked at: PEM files must be readable, a missing key file is a
    warning. Values of `otlp.headers` are cut out of logs from now on. Raises ConfigError.
    """
    problems = Problems()
    root = nodes.read(text, problems)
    if root is None or root.empty:
        if not problems:
            problems.add("", "is empty; it needs at least accounts")
        raise problems.error()
    if not isinstance(root.value, dict):
        problems.add("", "is not a mapping of settings", root.line)
        raise problems.error()
    given = _read(root.value, problems)
    accounts = _accounts(root.value, given, environ, problems)
    complete(given, environ, problems)
    _check_together(given, accounts, problems)
    if problems:
        raise problems.error()
    config = build(given, accounts)
    for value in config.otlp.headers.values():
        protect(value)
    return replace(config, warnings=caveats(config))


def describe(config: Config) -> str:
    """The configuration in the form of the file, every default written out.

    Values of headers are hidden; keys are not in a `Config` at all.
    """
    tree: dict[str, Any] = {"accounts": [_shown(ACCOUNT, account) for account in config.accounts]}
    tree |= {name: _shown(SETTINGS[name], getattr(config, name)) for name in SECTIONS}
    tree |= _shown(SETTINGS[""], config)
    text: str = yaml.safe_dump(tree, allow_unicode=True, sort_keys=False, width=10_000)
    return redact(text)


def _shown(settings: dict[str, Setting], values: Struct) -> dict[str, Any]:
    shown = {key: one.kind.shown(getattr(values, one.field)) for key, one in settings.items()}
    return {key: value for key, value in shown.items() if value is not None}


def _read(root: dict[str, Node], problems: Problems) -> Given:
    """Every setting that the file gives, accounts left aside."""
    _refuse_unknown(root, "", ("accounts", *SECTIONS, *SETTINGS[""]), problems)
    top = {key: node for key, node in root.items() if key in SETTINGS[""]}
    given = {"": _section(SETTINGS[""], top, "", problems)}
    for name in SECTIONS:
        node = root.get(name, _NOTHING)
        if isinstance(node.value, dict):
            _refuse_unknown(node.value, name, SETTINGS[name], problems)
            given[name] = _section(SETTINGS[name], node.value, name, problems)
        elif not (node.empty or node.refused):
            known = ", ".join(SETTINGS[name])
            problems.add(name, f"is not a mapping of settings ({known})", node.line)
    return given


def _section(
    settings: Mapping[str, Setting], entries: dict[str, Node], path: str, problems: Problems
) -> dict[str, Any]:
    """The values of a section's settings, by field."""
    values = {}
    for key, setting in settings.items():
        if key in entries:
            for value in _value(setting.kind, entries[key], join(path, key), problems):
                values[setting.field] = value
    return values


def _value(kind: Kind | ListOf | MappingOf, node: Node, path: str, problems: Problems) -> list[Any]:
    """The value of a setting, alone; nothing where it is left out or a problem is reported."""
    if node.refused or (node.empty and not isinstance(kind, Kind)):
        return []
    match kind, node.value:
        case ListOf(), list() as items:
            found = [
                _value(kind.item, item, f"{path}[{i}]", problems) for i, item in enumerate(items)
            ]
            return [tuple(value for values in found for value in values)]
        case MappingOf(), dict() as entries:
            return [_pairs(kind, entries, path, problems)]
        case Kind(), str() as text:
            if node.empty:
                message = "has no value; write one, or leave the key out"
            elif node.quoted and kind.bare:
                message = f"is a text; take the quotes away ({kind.name})"
            else:
                try:
                    return [kind.read(text)]
                except Mistake as mistake:
                    message = str(mistake)
        case Kind(), value:
            shape = "list" if isinstance(value, list) else "mapping"
            message = f"is a {shape}; write {kind.name}"
        case _:
            message = f"is not {kind.name}"
    problems.add(path, message, node.line)
    return []


def _pairs(
    kind: MappingOf, entries: dict[str, Node], path: str, problems: Problems
) -> dict[str, Any]:
    pairs: dict[str, Any] = {}
    for key, node in entries.items():
        try:
            name = kind.key.read(key)
            if name in pairs:
                raise Mistake("is given twice")
        except Mistake as mistake:
            problems.add(join(path, key), str(mistake), node.line)
            continue
        for value in _value(kind.item, node, join(path, key), problems):
            pairs[name] = value
    return pairs


def _refuse_unknown(
    entries: dict[str, Node], path: str, known: Iterable[str], problems: Problems
) -> None:
    """Report the keys that mean nothing, and what may have been meant."""
    words = tuple(known)
    for key, node in entries.items():
        if key in words:
            continue
        below = join(path, key)
        message = REMOVED.get(below, "")
        if _names_key(key):
            message = KEY_IN_FILE
        elif not message:
            close = None if problems.full else _closest(key, words)
            hint = f"did you mean {close}?" if close else f"known are {', '.join(words)}"
            message = f"is not a setting; {hint}"
        problems.add(below, message, node.line)


def _closest(key: str, words: Iterable[str]) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415 (0.15 MiB, only for mistakes)

    return next(iter(get_close_matches(key, words, n=1)), None)


def _names_key(key: str) -> bool:
    """Whether a setting of this name would hold an API key itself."""
    return key.lower().replace("-", "").replace("_", "") == "apikey"


def _accounts(
    root: dict[str, Node], given: Given, environ: Mapping[str, str], problems: Problems
) -> tuple[Account, ...]:
    """The accounts, each with a name of its own and one source of its key."""
    node = root.get("accounts", _NOTHING)
    if node.refused:
        return ()
    if node.empty or not isinstance(node.value, list) or not node.value:
        state = "missing" if node.empty else "not a list" if node.value else "empty"
        problems.add("accounts", f"is {state}; write accounts: [{_ENTRY}]", node.line)
        return ()
    base_url = given.get("gateway", {}).get("base_url", Gateway().base_url)
    accounts = []
    names: dict[str, str] = {}
    for index, item in enumerate(node.value):
        path = f"accounts[{index}]"
        if isinstance(item.value, dict):
            _refuse_unknown(item.value, path, ACCOUNT, problems)
            values = _section(ACCOUNT, item.value, path, problems)
            _check_key(item, values, path, environ, problems)
            if "name" not in item.value:
                problems.add(f"{path}.name", "is missing", item.line)
            elif "name" in values:
                first = names.setdefault(values["name"], path)
                if first != path:
                    message = f"{quoted(values['name'])} is the name of {first} too"
                    problems.add(f"{path}.name", message, item.line)
                accounts.append(Account(**{"base_url": base_url} | values))
        elif not item.refused:
            problems.add(path, f"is not an account; write {_ENTRY}", item.line)
    return tuple(accounts)


def _check_key(
    account: Node,
    values: dict[str, Any],
    path: str,
    environ: Mapping[str, str],
    problems: Problems,
) -> None:
    """Exactly one of the two sources; and a variable holds a key that can be sent."""
    assert isinstance(account.value, dict)
    sources = account.value.keys() & {"api_key_env", "api_key_file"}
    if not sources and not any(map(_names_key, account.value)):
        problems.add(path, "has no key; give api_key_env or api_key_file", account.line)
    if len(sources) > 1:
        problems.add(path, "has both api_key_env and api_key_file; give one of them", account.line)
    variable = values.get("api_key_env")
    if variable is None:
        return
    key = environ.get(variable)
    if key is None:
        problem = "is not set"
    elif not key.strip():
        problem = "is empty"
    elif not _SENDABLE.fullmatch(key.strip()):
        problem = "does not hold a key: there are spaces or characters that a header cannot carry"
    else:
        return
    # A key of another kind, pasted here by mistake, can look like a variable's name.
    shown = f"variable {variable}" if _SHOWN_VARIABLE.fullmatch(variable) else "variable"
    line = account.value["api_key_env"].line
    problems.add(f"{path}.api_key_env", f"the environment {shown} {problem}", line)


def _check_together(given: Given, accounts: tuple[Account, ...], problems: Problems) -> None:
    """What is right alone, and wrong beside something else."""
    otlp = given.get("otlp", {})
    for one, other in (("client_certificate", "client_key"), ("client_key", "client_certificate")):
        if one in otlp and other not in otlp:
            problems.add(f"otlp.{one}", f"needs otlp.{other} beside it")
    name = given.get("tap", {}).get("account")
    if name is not None and name not in [account.name for account in accounts]:
        problems.add("tap.account", f"{quoted(name)} is not the name of an account")
    http_is_off = given.get("http", {}).get("listen", "") is None
    if http_is_off and "secret_file" in given.get("webhook", {}):
        problems.add("webhook.secret_file", "needs http.listen, which is turned off")

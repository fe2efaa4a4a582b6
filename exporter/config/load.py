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
from exporter.config.kinds import AnyKind, Kind, ListOf, MappingOf
from exporter.config.mistakes import Mistake, Problems, quoted
from exporter.config.nodes import KEY_IN_FILE, Node, join
from exporter.config.otel_env import complete
from exporter.config.settings import ACCOUNT, REMOVED, SECTIONS, SETTINGS, Given, Setting, build
from exporter.config.types import Account, Config, Gateway
from exporter.errors import ConfigError
from exporter.secrets import printable, protect, redact

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
    reader = _Reader(environ, problems)
    given = reader.settings(root.value)
    base_url = given.get("gateway", {}).get("base_url", Gateway().base_url)
    accounts = reader.accounts(root.value, base_url)
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
    text: str = yaml.safe_dump(
        tree, allow_unicode=True, default_flow_style=None, sort_keys=False, width=10_000
    )
    return redact(text)


def _shown(settings: dict[str, Setting], values: Struct) -> dict[str, Any]:
    shown = {key: one.kind.shown(getattr(values, one.field)) for key, one in settings.items()}
    return {key: value for key, value in shown.items() if value is not None}


class _Reader:
    """Reads the tree of a file along the table of settings."""

    def __init__(self, environ: Mapping[str, str], problems: Problems) -> None:
        self._environ = environ
        self._problems = problems

    def settings(self, root: dict[str, Node]) -> Given:
        """Every setting that the file gives, accounts left aside."""
        self._refuse_unknown(root, "", ("accounts", *SECTIONS, *SETTINGS[""]))
        given = {"": self._section(SETTINGS[""], root, "")}
        for name in SECTIONS:
            node = root.get(name, _NOTHING)
            if isinstance(node.value, dict):
                self._refuse_unknown(node.value, name, SETTINGS[name])
                given[name] = self._section(SETTINGS[name], node.value, name)
            elif not (node.empty or node.refused):
                known = ", ".join(SETTINGS[name])
                self._problems.add(name, f"is not a mapping of settings ({known})", node.line)
        return given

    def accounts(self, root: dict[str, Node], base_url: str) -> tuple[Account, ...]:
        """The accounts, each with a name of its own. `base_url` is for those that give none."""
        node = root.get("accounts", _NOTHING)
        if node.refused:
            return ()
        if node.empty or not isinstance(node.value, list) or not node.value:
            state = "missing" if node.empty else "not a list" if node.value else "empty"
            self._problems.add("accounts", f"is {state}; write accounts: [{_ENTRY}]", node.line)
            return ()
        accounts = []
        names: dict[str, str] = {}
        for index, item in enumerate(node.value):
            path = f"accounts[{index}]"
            values = self._account(item, path)
            if "name" in values:
                first = names.setdefault(values["name"], path)
                if first != path:
                    message = f"{quoted(values['name'])} is the name of {first} too"
                    self._problems.add(f"{path}.name", message, item.line)
                accounts.append(Account(**{"base_url": base_url} | values))
        return tuple(accounts)

    def _account(self, node: Node, path: str) -> dict[str, Any]:
        """The values of one account, with exactly one source of its key."""
        entries, add = node.value, self._problems.add
        if not isinstance(entries, dict):
            if not node.refused:
                add(path, f"is not an account; write {_ENTRY}", node.line)
            return {}
        self._refuse_unknown(entries, path, ACCOUNT)
        values = self._section(ACCOUNT, entries, path)
        sources = entries.keys() & {"api_key_env", "api_key_file"}
        if not sources and not any(map(_names_key, entries)):
            add(path, "has no key; give api_key_env or api_key_file", node.line)
        if len(sources) > 1:
            add(path, "has both api_key_env and api_key_file; give one of them", node.line)
        if "api_key_env" in values:
            problem = _problem_of_variable(values["api_key_env"], self._environ)
            if problem:
                add(f"{path}.api_key_env", problem, entries["api_key_env"].line)
        if "name" not in entries:
            add(f"{path}.name", "is missing", node.line)
        return values

    def _section(
        self, settings: Mapping[str, Setting], entries: dict[str, Node], path: str
    ) -> dict[str, Any]:
        """The values of a section's settings, by field."""
        values: dict[str, Any] = {}
        for key, setting in settings.items():
            if key in entries:
                self._put(values, setting.field, setting.kind, entries[key], join(path, key))
        return values

    def _put(self, into: dict[Any, Any], at: object, kind: AnyKind, node: Node, path: str) -> None:
        """Put a value into `into`, unless it is left out or a problem is reported."""
        value = node.value
        if node.refused or (node.empty and not isinstance(kind, Kind)):
            return
        try:
            if isinstance(kind, Kind):
                into[at] = _scalar(kind, node)
            elif isinstance(kind, ListOf) and isinstance(value, list):
                items: dict[int, Any] = {}
                for index, item in enumerate(value):
                    self._put(items, index, kind.item, item, f"{path}[{index}]")
                into[at] = tuple(items.values())
            elif isinstance(kind, MappingOf) and isinstance(value, dict):
                into[at] = self._pairs(kind, value, path)
            else:
                raise Mistake(f"is not {kind.name}")
        except Mistake as mistake:
            self._problems.add(path, str(mistake), node.line)

    def _pairs(self, kind: MappingOf, entries: dict[str, Node], path: str) -> dict[str, Any]:
        pairs: dict[str, Any] = {}
        for key, node in entries.items():
            try:
                name = kind.key.read(key)
                if name in pairs:
                    raise Mistake("is given twice")
                self._put(pairs, name, kind.item, node, join(path, key))
            except Mistake as mistake:
                self._problems.add(join(path, key), str(mistake), node.line)
        return pairs

    def _refuse_unknown(self, entries: dict[str, Node], path: str, known: Iterable[str]) -> None:
        """Report the keys that mean nothing, and what may have been meant."""
        words = tuple(known)
        for key, node in entries.items():
            below = join(path, key)
            if key in words:
                continue
            if _names_key(key):
                message = KEY_IN_FILE
            elif below in REMOVED:
                message = REMOVED[below]
            else:
                close = None if self._problems.full else _closest(key, words)
                hint = f"did you mean {close}?" if close else f"known are {', '.join(words)}"
                message = f"is not a setting; {hint}"
            self._problems.add(below, message, node.line)


def _scalar(kind: Kind, node: Node) -> Any:
    if not isinstance(node.value, str):
        shape = "list" if isinstance(node.value, list) else "mapping"
        raise Mistake(f"is a {shape}; write {kind.name}")
    if node.empty:
        raise Mistake("has no value; write one, or leave the key out")
    if node.quoted and kind.bare:
        raise Mistake(f"is a text; take the quotes away ({kind.name})")
    return kind.read(node.value)


def _closest(key: str, words: Iterable[str]) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415 (0.15 MiB, only for mistakes)

    return next(iter(get_close_matches(key, words, n=1)), None)


def _names_key(key: str) -> bool:
    """Whether a setting of this name would hold an API key itself."""
    return key.lower().replace("-", "").replace("_", "") == "apikey"


def _problem_of_variable(name: str, environ: Mapping[str, str]) -> str:
    """Why a variable holds no key that can be sent; "" where it does."""
    # A key of another kind, pasted here by mistake, can look like a variable's name.
    shown = f"the environment variable {name if _SHOWN_VARIABLE.fullmatch(name) else ''}".rstrip()
    if name not in environ:
        return f"{shown} is not set"
    key = environ[name].strip()
    if not key:
        return f"{shown} is empty"
    if not _SENDABLE.fullmatch(key):
        problem = "does not hold a key: there are spaces or characters that a header cannot carry"
        return f"{shown} {problem}"
    return ""


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
    secrets = ["webhook.secret_file"] if "secret_file" in given.get("webhook", {}) else []
    for index, account in enumerate(accounts):
        if account.webhook_secret_file is not None:
            secrets.append(f"accounts[{index}].webhook_secret_file")
    for secret in secrets if http_is_off else ():
        problems.add(secret, "needs http.listen, which is turned off")

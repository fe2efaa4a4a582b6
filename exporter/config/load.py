"""YAML and environment → `Config`, with every mistake reported at once.

Nothing but redaction is kept from one call to the next, so that a reload is simply another call.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from exporter.config import tree
from exporter.config.accounts import read_accounts
from exporter.config.caveats import caveats
from exporter.config.describe import describe
from exporter.config.kinds import DEFAULTS
from exporter.config.otel_env import complete
from exporter.config.problems import FILE, Problems, printable, quoted
from exporter.config.types import Account, Config, Listen
from exporter.config.values import leads_to
from exporter.config.walk import Values, read_settings
from exporter.errors import ConfigError
from exporter.secrets import protect

__all__ = ["describe", "load", "parse"]

_PAGE = DEFAULTS.http.listen


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """The configuration in the file at `path`, as `parse` reads it. Raises ConfigError."""
    return parse(_text(path), environ)


def parse(text: str, environ: Mapping[str, str]) -> Config:
    """The configuration that `text` and the variables in `environ` make.

    Files that it names are looked at: PEM files must be readable, a missing key file is a
    warning. Values of `otlp.headers` are cut out of logs from now on. Raises ConfigError.
    """
    problems = Problems()
    root = _root(text, problems)
    given = read_settings(root, problems)
    base_url = str(given.get("gateway.base_url", DEFAULTS.gateway.base_url))
    accounts = read_accounts(root, base_url, environ, problems)
    complete(given, environ, problems)
    _require_pair(given, problems)
    _check_tap(given, accounts, problems)
    if problems:
        raise problems.error()
    config = _assemble(given, accounts)
    for value in config.otlp.headers.values():
        protect(value)
    return replace(config, warnings=caveats(config))


def _text(path: Path) -> str:
    """The text of a file of bounded size."""
    name = printable(str(path))
    try:
        with path.open("rb") as file:
            content = file.read(tree.MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise ConfigError((f"{name}: cannot be read: {reason}",)) from error
    if len(content) > tree.MAX_BYTES:
        raise ConfigError((f"{name}: is larger than 1 MiB, too large for a configuration",))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        # Not chained: that exception holds the whole content.
        raise ConfigError((f"{name}: is not UTF-8 (line {line})",)) from None


def _root(text: str, problems: Problems) -> tree.Mapping:
    """The mapping that the file consists of. Raises ConfigError where there is none."""
    node = tree.read(text, problems)
    if isinstance(node, tree.Mapping):
        return node
    if node is None or (isinstance(node, tree.Scalar) and node.null):
        if not problems:
            problems.add(FILE, "is empty; it needs at least accounts")
    else:
        problems.add(FILE, "is not a mapping of settings", node.line)
    raise problems.error()


def _require_pair(given: Values, problems: Problems) -> None:
    """A client certificate is of no use without its key, nor the key without it."""
    pair = ("otlp.client_certificate", "otlp.client_key")
    for one, other in (pair, pair[::-1]):
        if one in given and other not in given:
            problems.add(one, f"needs {other} beside it")


def _check_tap(given: Values, accounts: tuple[Account, ...], problems: Problems) -> None:
    """The tap's account and address are its own, it asks another, and a webhook has a server."""
    name = given.get("tap.account")
    if name is not None and name not in [account.name for account in accounts]:
        problems.add("tap.account", f"{quoted(str(name))} is not the name of an account")
    proxy = given.get("tap.proxy.listen")
    if isinstance(proxy, Listen) and any(leads_to(one.base_url, proxy) for one in accounts):
        problems.add(
            "tap.proxy.listen",
            "is where base_url leads, so the proxy would ask itself; base_url is the gateway's "
            "own address, and only applications are given the proxy's",
        )
    if isinstance(proxy, Listen) and proxy.port and proxy == given.get("http.listen", _PAGE):
        problems.add("tap.proxy.listen", "is the address of http.listen; take another port")
    if "webhook.secret_file" in given and given.get("http.listen", "") is None:
        problems.add("webhook.secret_file", "needs http.listen, which is turned off")


def _assemble(given: Values, accounts: tuple[Account, ...]) -> Config:
    """`given` over the defaults. The table of settings fixes the types."""
    config = replace(DEFAULTS, accounts=accounts)
    for place, value in given.items():
        config = _with(config, place.split("."), value)
    return config


def _with(section: Any, names: list[str], value: object) -> Any:
    """`section` with what stands at the end of `names` replaced by `value`."""
    first, *rest = names
    changed = _with(getattr(section, first), rest, value) if rest else value
    return replace(section, **{first: changed})

"""The table of settings: key path, kind of value, what it means.

It drives reading, the search for unknown keys, `describe` and `docs/configuration.md`.
Defaults are those of the types in `exporter.config`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any

from exporter.config import Compression, Config, Protocol, UsageMode
from exporter.configuration import values
from exporter.configuration.problems import quoted
from exporter.secret import Secret

DEFAULTS = Config(accounts=())
_MAX_COUNT = 1_000_000_000
_MAX_TEXT = 1000
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_HEADER_VALUE = re.compile(r"[!-~]([ -~]{0,8190}[!-~])?")
_FRAMING = frozenset(("content-type", "content-encoding", "content-length", "transfer-encoding"))
_SIMPLE = re.compile(r"(?![Nn]ull$|NULL$)-?[A-Za-z0-9_./]([A-Za-z0-9_./:-]*[A-Za-z0-9_./-])?")

HIDDEN = "(hidden)"
"""Stands for a secret."""


def quote(text: str) -> str:
    """`text` as a YAML scalar, in quotes where YAML may want them."""
    return text if _SIMPLE.fullmatch(text) else json.dumps(text, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Kind:
    """What may be written. `parse` raises ValueError; `bare` values lose their sense in quotes."""

    name: str
    parse: Callable[[str], object]
    show: Callable[[Any], str] = str
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Pairs:
    """A mapping from names to texts. `entry` makes one pair of a name and a text."""

    name: str
    entry: Callable[[str, str], tuple[str, object]]
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. `field_name` is its place in `Config` where that differs from its path."""

    path: str
    kind: Kind | Pairs
    about: str
    field_name: str = ""
    default: object = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "default", self.of(DEFAULTS))

    @property
    def section(self) -> str:
        """What stands before the dot; "" for a setting at the top."""
        return self.path.rpartition(".")[0]

    @property
    def key(self) -> str:
        """What stands after the dot."""
        return self.path.rpartition(".")[2]

    @property
    def place(self) -> str:
        """The dotted place of the value in `Config`."""
        return self.field_name or self.path

    def of(self, config: Config) -> object:
        """The value of this setting."""
        value: object = config
        for name in self.place.split("."):
            value = getattr(value, name)
        return value

    def text(self, config: Config) -> str | None:
        """That value as it stands in a file, secrets hidden; None where no text says it."""
        value = self.of(config)
        if isinstance(self.kind, Pairs):
            assert isinstance(value, dict)
            hide = self.kind.secret
            pairs = (f"{quote(k)}: {HIDDEN if hide else quote(str(v))}" for k, v in value.items())
            return f"{{{', '.join(pairs)}}}"
        if value is None and self.default is None:
            return None
        text = self.kind.show(value)
        return text if self.kind.bare or text == '""' else quote(text)


def _duration(shortest: float, longest: float) -> Kind:
    bounds = f"{values.show_duration(shortest)} to {values.show_duration(longest)}"
    read = partial(values.bounded_duration, shortest=shortest, longest=longest)
    return Kind(f"duration, {bounds}", read, values.show_duration)


def _whole(least: int, most: int) -> Kind:
    read = partial(values.whole, least=least, most=most)
    return Kind(f"whole number, {least} to {most}", read, bare=True)


def _one_of(words: tuple[str, ...], make: Callable[[str], object]) -> Kind:
    def read(text: str) -> object:
        if text not in words:
            raise ValueError(f"{quoted(text)} is not one of {', '.join(words)}")
        return make(text)

    return Kind(" or ".join(f"`{word}`" for word in words), read)


def _enum(kind: type[StrEnum]) -> Kind:
    return _one_of(tuple(kind), kind)


def _endpoint(text: str) -> str:
    return values.url(text) if text else ""


def header(name: str, value: str) -> tuple[str, Secret]:
    """One header of the OTLP requests: its name in lower case, and its value, kept secret."""
    if not _HEADER_NAME.fullmatch(name) or name.lower() in _FRAMING:
        raise ValueError("is not the name of a header that may be added")
    if not _HEADER_VALUE.fullmatch(value):
        raise ValueError("is not a header's value: printable ASCII without space around it")
    return name.lower(), Secret(value)


def attribute(name: str, value: str) -> tuple[str, str]:
    """One attribute of the OTLP resource."""
    if not name.strip() or not value:
        raise ValueError("needs a name and a value")
    if max(len(name), len(value)) > _MAX_TEXT:
        raise ValueError(f"is longer than {_MAX_TEXT} characters")
    return name, value


URL = Kind("http or https URL", values.url)
FLAG = Kind("`true` or `false`", values.flag, lambda value: str(value).lower(), bare=True)
PEM = Kind("path of a PEM file", values.pem_file)
INTERVAL = _duration(0.1, 7 * values.DAY)
TIMEOUT = _duration(0.1, 600.0)

SETTINGS = (
    Setting(
        "gateway.base_url",
        URL,
        "The gateway, without `/api/v1/me`. Plain http to another machine sends keys in clear and "
        "is warned about.",
    ),
    Setting("gateway.timeout", TIMEOUT, "The longest that one request may take."),
    Setting(
        "gateway.max_requests_per_minute",
        _whole(1, 100_000),
        "Request budget of each account; the gateway allows about 600.",
    ),
    Setting("poll.account", INTERVAL, "Between two polls of `/me/account`, with ±10 % jitter."),
    Setting("poll.usage", INTERVAL, "Between two polls of `/me/usage`, with ±10 % jitter."),
    Setting(
        "poll.transactions",
        INTERVAL,
        "Between two polls of `/me/billing/transactions`, with ±10 % jitter.",
    ),
    Setting("usage.enabled", FLAG, "Whether usage is polled."),
    Setting(
        "usage.mode",
        _enum(UsageMode),
        "Which of the two documented shapes of usage to ask for; `auto` follows the answers.",
    ),
    Setting(
        "usage.start",
        Kind("`now`, ISO time, or `-` and a duration", values.start, values.show_start),
        "Where counting begins on the first start, transactions too: `now`, a date or time (UTC "
        "unless it says otherwise), or a duration back such as `-24h`, at most 90 days. Later "
        "starts continue where the state file says.",
    ),
    Setting(
        "usage.settle_window",
        _duration(3600.0, values.MAX_BACK),
        "How long a row or bucket may still change or appear late.",
    ),
    Setting(
        "usage.credits_per_usd",
        _whole(1, _MAX_COUNT),
        "Credits that make one USD in usage rows; 1 where the rows carry USD.",
    ),
    Setting(
        "usage.max_series",
        _whole(1, 1_000_000),
        "Pairs of key and model kept apart for each account; further ones count under `other`.",
    ),
    Setting(
        "transactions.enabled", FLAG, "Whether transactions are polled.", "transactions_enabled"
    ),
    Setting(
        "runway.window",
        _duration(1.0, values.MAX_BACK),
        "The spend of this long makes the rate from which the runway is computed.",
        "runway_window",
    ),
    Setting("otlp.protocol", _enum(Protocol), "How metrics are sent."),
    Setting(
        "otlp.endpoint",
        Kind('http or https URL, or `""`', _endpoint, lambda value: value or '""'),
        "The receiver. For HTTP, `/v1/metrics` is added unless the URL has a path; gRPC takes "
        'none and defaults to `http://localhost:4317`. `""` sends nothing, for those who only '
        "collect from `/metrics`.",
    ),
    Setting(
        "otlp.headers",
        Pairs("mapping of names to texts", header, secret=True),
        "Sent with each request; the values are treated as secrets. Better given by "
        "`OTEL_EXPORTER_OTLP_HEADERS`, from which headers that are not here are taken.",
    ),
    Setting("otlp.compression", _enum(Compression), "How requests are compressed."),
    Setting("otlp.interval", INTERVAL, "Between two exports."),
    Setting("otlp.timeout", TIMEOUT, "The longest that one export may take."),
    Setting("otlp.certificate", PEM, "Trusted to sign the receiver's certificate."),
    Setting("otlp.client_certificate", PEM, "Shown to the receiver; needs `client_key`."),
    Setting("otlp.client_key", PEM, "The key of `client_certificate`."),
    Setting(
        "state.path",
        Kind("path of a file", values.file_path),
        "Where totals and cursors are kept. It must survive a restart.",
        "state_path",
    ),
    Setting(
        "http.listen",
        Kind('`HOST:PORT`, or `""`', values.listen, values.show_listen),
        'Serves the status page, `/livez`, `/readyz` and `/metrics`; `""` turns them off.',
        "http_listen",
    ),
    Setting(
        "log.level",
        _one_of(("debug", "info", "warning", "error"), str),
        "The least serious lines to write.",
    ),
    Setting("log.format", _one_of(("text", "json"), str), "Lines for people or for machines."),
    Setting(
        "resource_attributes",
        Pairs("mapping of names to texts", attribute),
        "Added to the OTLP resource. `OTEL_RESOURCE_ATTRIBUTES` adds those that are not here.",
    ),
)


@dataclass(frozen=True, slots=True)
class AccountKey:
    """One key of an entry of `accounts`."""

    key: str
    kind: Kind
    about: str
    default: str = ""


ACCOUNT_KEYS = (
    AccountKey(
        "name",
        Kind("text, 1 to 100 characters", values.account_name),
        "Becomes `bytespike.account.name`; no two accounts share one.",
        "required",
    ),
    AccountKey(
        "api_key_env",
        Kind("name of an environment variable", values.variable_name),
        "The variable that holds the account's key.",
        "this or `api_key_file`",
    ),
    AccountKey(
        "api_key_file",
        Kind("path of a file", values.file_path),
        "The file that holds the account's key; read again when it changes.",
        "this or `api_key_env`",
    ),
    AccountKey("base_url", URL, "Another gateway for this account.", "`gateway.base_url`"),
)

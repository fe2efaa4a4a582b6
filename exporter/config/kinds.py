"""What may be written for a setting, and how it is shown again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any

from exporter.config import values
from exporter.config.problems import quoted
from exporter.config.types import Config
from exporter.secrets import Secret

DEFAULTS = Config(accounts=())
_MAX_TEXT = 1000
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
class Words:
    """A list of texts, each of which `item` reads."""

    name: str
    item: Kind


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. `field_name` is its place in `Config` where that differs from its path."""

    path: str
    kind: Kind | Pairs | Words
    about: str
    field_name: str = ""
    default: object = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "default", self.of(DEFAULTS))

    @property
    def section(self) -> str:
        """What stands before the last dot; "" for a setting at the top."""
        return self.path.rpartition(".")[0]

    @property
    def key(self) -> str:
        """What stands after the last dot."""
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
        if isinstance(self.kind, Words):
            assert isinstance(value, tuple)
            return f"[{', '.join(quote(word) for word in value)}]"
        if value is None and self.default is None and self.kind.show is str:
            return None
        text = self.kind.show(value)
        return text if self.kind.bare or text == '""' else quote(text)


def bounded(shortest: float, longest: float) -> Kind:
    """A duration between two bounds, in seconds."""
    bounds = f"{values.show_duration(shortest)} to {values.show_duration(longest)}"
    read = partial(values.bounded_duration, shortest=shortest, longest=longest)
    return Kind(f"duration, {bounds}", read, values.show_duration)


def whole(least: int, most: int) -> Kind:
    """A whole number between two bounds."""
    read = partial(values.whole, least=least, most=most)
    return Kind(f"whole number, {least} to {most}", read, bare=True)


def one_of(words: tuple[str, ...], make: Callable[[str], object]) -> Kind:
    """One of `words`, which `make` turns into a value."""

    def read(text: str) -> object:
        if text not in words:
            raise ValueError(f"{quoted(text)} is not one of {', '.join(words)}")
        return make(text)

    return Kind(" or ".join(f"`{word}`" for word in words), read)


def enum(kind: type[StrEnum]) -> Kind:
    """One of the words of an enumeration."""
    return one_of(tuple(kind), kind)


def endpoint(text: str) -> str:
    """A URL, or "" for none."""
    return values.url(text) if text else ""


def header(name: str, value: str) -> tuple[str, Secret]:
    """One header of the OTLP requests: its name in lower case, and its value, kept secret."""
    if not values.HEADER_NAME.fullmatch(name) or name.lower() in _FRAMING:
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
INTERVAL = bounded(0.1, 7 * values.DAY)
TIMEOUT = bounded(0.1, 600.0)
LISTEN = Kind('`HOST:PORT`, or `""`', values.listen, values.show_listen)

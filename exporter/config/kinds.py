"""What may be written for a setting, how it is read, and how it is shown again.

Every value is written as a text that a pattern describes. The pattern is also what the schema
for editors says.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from exporter.config.mistakes import Mistake, quoted
from exporter.config.values import Listen, UsageStart, seconds_of, show_duration
from exporter.secrets import Secret

_DURATION = "[0-9]{1,12}(ms|s|m|h|d)"
_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]+(Z|[+-][0-9:]+)?)?"
_WHOLE = r"(0|[1-9][0-9_]{0,14})(\.0+)?([eE]\+?[0-9]{1,2})?"
_LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = rf"{_LABEL}(\.{_LABEL})*\.?"
_V6 = r"\[[0-9A-Fa-f:.]+\]"
_FRAMING = "(?i:content-(type|encoding|length)|transfer-encoding)"
_HEADER_NAME = "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}"


class Kind(Struct, frozen=True):
    """A value that is one text.

    `convert` is given what matches `pattern`, and raises ValueError where that is still no
    `name`, or Mistake to say more; `bounds` are the least and the largest value. `hints` are
    patterns of frequent mistakes, and what to say of them. A value that may hold a credential is
    never `quote`d. `bare` values are numbers and switches, which quotes would make a text.
    `empty` is what is written for None.
    """

    name: str
    pattern: str
    convert: Callable[[str], Any] = str
    show: Callable[[Any], Any] = str
    hints: tuple[tuple[str, str], ...] = ()
    quote: bool = True
    bare: bool = False
    empty: str | None = None
    words: tuple[str, ...] = ()
    bounds: tuple[float, float] | None = None

    def read(self, text: str) -> Any:
        """The value of a text. Raises Mistake."""
        if self.bare and text == self.empty:
            return None
        shown = f"{quoted(text)} " if self.quote else ""
        for pattern, hint in self.hints:
            if re.fullmatch(pattern, text):
                raise Mistake(shown + hint.format(text))
        try:
            if re.fullmatch(self.pattern, text):
                value = self.convert(text)
                if self.bounds is None or self.bounds[0] <= value <= self.bounds[1]:
                    return value
        except Mistake:
            raise
        except ValueError:
            pass
        raise Mistake(f"{shown}is not {self.name}")

    def shown(self, value: Any) -> Any:
        """The value as a file holds it; None where it is left out."""
        return self.empty if value is None else self.show(value)


class ListOf(Struct, frozen=True):
    name: str
    item: Kind

    def shown(self, value: tuple[Any, ...]) -> list[Any]:
        """The list as a file holds it."""
        return [self.item.shown(item) for item in value]


class MappingOf(Struct, frozen=True):
    name: str
    key: Kind
    item: Kind

    def shown(self, value: dict[str, Any]) -> dict[str, Any]:
        """The mapping as a file holds it."""
        return {key: self.item.shown(item) for key, item in value.items()}


AnyKind = Kind | ListOf | MappingOf


def duration(shortest: str, longest: str) -> Kind:
    """A duration between two others, in seconds."""
    return Kind(
        f"a duration from {shortest} to {longest}",
        _DURATION,
        seconds_of,
        show_duration,
        bounds=(seconds_of(shortest), seconds_of(longest)),
        hints=(
            ("[0-9]{1,12}", "has no unit; write {0}s, or one of 250ms, 30s, 5m, 6h or 2d"),
            (rf"(?!{_DURATION}$)[\s\S]*", "is not a duration; write 250ms, 30s, 5m, 6h or 2d"),
        ),
    )


def whole(least: int, most: int, none: str | None = None) -> Kind:
    """A whole number, or the word `none`. `1e+06`, which template engines write, is one too."""
    return Kind(
        f"{f'{none} or ' if none else ''}a whole number from {least} to {most}",
        _WHOLE,
        lambda text: int(Decimal(text.replace("_", ""))),
        int,
        bare=True,
        bounds=(least, most),
        empty=none,
    )


def number(least: float, most: float) -> Kind:
    """A number that may have a fraction."""
    return Kind(
        f"a number from {least:g} to {most:g}",
        r"[0-9]{0,9}(\.[0-9]{1,9})?([eE][+-]?[0-9]{1,2})?",
        float,
        lambda value: int(value) if value == int(value) else value,
        bare=True,
        bounds=(least, most),
    )


def one_of(*words: str, convert: Callable[[str], str] = str) -> Kind:
    """One of a few words, or of the members of the enumeration that `convert` is."""
    return Kind(f"one of {', '.join(words)}", "|".join(words), convert, words=words)


def _or_none(kind: Kind, none: object = None) -> Kind:
    """The same, or "" for none of it."""
    return replace(
        kind,
        name=f'{kind.name}, or "" for none',
        pattern=f"({kind.pattern})?",
        convert=lambda text: kind.convert(text) if text else none,
        empty="",
    )


def _start(text: str) -> UsageStart:
    if text == "now":
        return UsageStart()
    if text.startswith("-"):
        back = seconds_of(text[1:])
        if back > 90 * 86_400:
            raise ValueError
        return UsageStart(back=back)
    at = datetime.fromisoformat(text)
    if not 2020 <= at.year < 9999:
        raise ValueError
    return UsageStart(at=(at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


def _host(text: str) -> str:
    """A name, or an address without its brackets. Raises ValueError for an impossible one."""
    if text.startswith("["):
        return str(IPv6Address(text[1:-1]))
    if re.fullmatch("[0-9.]+", text):
        return str(IPv4Address(text))
    if len(text) > 253:
        raise ValueError
    return text.lower()


def _listen(text: str) -> Listen:
    host, _, port = text.rpartition(":")
    _host(host)
    if int(port) > 65_535:
        raise ValueError
    return Listen(host.strip("[]"), int(port))


def _url(text: str) -> str:
    parts = urlsplit(text)
    _host(re.sub(":[0-9]*$", "", parts.netloc))
    if parts.port == 0:
        raise ValueError
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _pem(text: str) -> Path:
    """The path of a PEM file that can be read now."""
    path = Path(text)
    # Asked first, because opening a named pipe waits for its writer.
    if not path.is_file():
        raise Mistake(f"{quoted(text)} is not a file")
    try:
        with path.open("rb") as file:
            content = file.read(1 << 20)
    except OSError as error:
        raise Mistake(f"{quoted(text)} cannot be read: {error.strerror}") from None
    if b"-----BEGIN " not in content:
        raise Mistake(f"{quoted(text)} is not a PEM file")
    return path


_URL = rf"[Hh][Tt][Tt][Pp][Ss]?://({_NAME}|{_V6})(:[0-9]{{1,5}})?(/[A-Za-z0-9_.~!$&'()*+,;=:%/-]*)?"
_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_FLAG = "|".join(f"{word}|{word.upper()}|{word.capitalize()}" for word in _FLAGS)

FLAG = Kind("true or false", _FLAG, lambda text: _FLAGS[text.lower()], bool, bare=True)
URL = Kind(
    "an http or https URL, such as https://gateway.example:8443",
    _URL,
    _url,
    hints=(
        (r"[a-zA-Z]+://[^/]*@[\s\S]*", "holds a user name or password; leave it out"),
        (
            r"https?://[^?#]*[?#][\s\S]*",
            "has a query or fragment, which logs would show; leave it out",
        ),
    ),
    quote=False,
)
ENDPOINT = _or_none(URL, "")
LISTEN = _or_none(
    Kind(
        "an address such as 127.0.0.1:9464, or 0.0.0.0:9464 for every network",
        f"({_NAME}|{_V6}):[0-9]{{1,5}}",
        _listen,
    )
)
HOST = Kind("the name or address of a host, without a port", f"{_NAME}|{_V6}", _host)
START = Kind(
    "a start: now, a duration back such as -24h (at most -90d), or a time since 2020 such as "
    "2026-05-01T00:00:00Z",
    f"now|-{_DURATION}|{_TIME}",
    _start,
)
FILE = Kind("the path of a file", r"[\s\S]*[^/]", Path)
PEM = Kind(
    "the path of a PEM file",
    r"[\s\S]*[^/]",
    _pem,
    hints=(
        (r"[\s\S]*-----BEGIN[\s\S]*", "holds PEM text; write the path of a file that holds it"),
    ),
    quote=False,
)
VARIABLE = Kind(
    "the name of an environment variable, such as BYTESPIKE_API_KEY",
    "[A-Za-z_][A-Za-z0-9_]*",
    quote=False,
)
ACCOUNT_NAME = Kind("a name of 1 to 100 characters without space around it", r"\S(.{0,98}\S)?")
ACCOUNT_OR_NONE = _or_none(ACCOUNT_NAME)
HOSTS = ListOf("a list of host names", HOST)
HEADER_NAME = Kind("the name of a header", _HEADER_NAME)
PAGE_PATHS = ("/metrics", "/livez", "/readyz")
URL_PATH = Kind(
    "a path such as /hooks/bytespike",
    "(/[A-Za-z0-9._~-]+){1,20}",
    hints=(("|".join(PAGE_PATHS), "is a path of the status page; take another one"),),
)
HEADERS = MappingOf(
    "a mapping of names to texts",
    Kind(
        "the name of a header that may be added",
        _HEADER_NAME,
        str.lower,
        hints=((_FRAMING, "is not the name of a header that may be added"),),
        quote=False,
    ),
    Kind(
        "a header's value: printable ASCII without space around it",
        "[!-~]([ -~]{0,8190}[!-~])?",
        Secret,
        lambda _: "(hidden)",
        quote=False,
    ),
)
ATTRIBUTES = MappingOf(
    "a mapping of names to texts",
    Kind("a name of 1 to 1000 characters without space around it", r"\S([\s\S]{0,998}\S)?"),
    Kind("a text of 1 to 1000 characters", r"[\s\S]{1,1000}", quote=False),
)

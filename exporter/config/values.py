"""Texts of the configuration → values, and back for the document.

Each reader raises ValueError with the half of a sentence that follows the key path. URLs,
headers and variables are never quoted back, because they may hold a credential.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from exporter.config.problems import quoted
from exporter.config.tree import unwanted
from exporter.config.types import Listen, UsageStart

DURATIONS = "250ms, 30s, 5m, 6h or 2d"
DAY = 86_400.0
MAX_BACK = 90 * DAY
_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SHOWN_FROM = {"d": 2, "h": 1, "m": 2, "s": 1, "ms": 0}
_DURATION = re.compile(r"([0-9]{1,12})(ms|s|m|h|d)")
_WHOLE = re.compile(r"-?(0|[1-9][0-9_]{0,14})(\.0+)?([eE]\+?[0-9]{1,2})?")
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_LISTEN = re.compile(r"(?:\[([^\]]*)\]|([^:\[\]]*)):([0-9]{1,5})")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_URL_PATH = re.compile(r"(/[A-Za-z0-9._~-]+){1,20}")
_TAKEN = ("/metrics", "/livez", "/readyz")
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_FIRST_YEAR = 2020
_MAX_PORT = 65_535
_MAX_HOST = 253
_MAX_NAME = 100
_EVERYWHERE = (str(IPv4Address(0)), str(IPv6Address(0)))


def duration(text: str) -> float:
    """Seconds of `250ms`, `30s`, `5m`, `6h` or `2d`."""
    match = _DURATION.fullmatch(text)
    if match:
        return int(match[1]) * _MILLISECONDS[match[2]] / 1000
    if re.fullmatch(r"[0-9]{1,12}", text):
        raise ValueError(f"{quoted(text)} has no unit; write {text}s, or one of {DURATIONS}")
    raise ValueError(f"{quoted(text)} is not a duration; write {DURATIONS}")


def bounded_duration(text: str, shortest: float, longest: float) -> float:
    """A duration from `shortest` to `longest`, both in seconds."""
    seconds = duration(text)
    if seconds < shortest:
        raise ValueError(f"{quoted(text)} is too short; at least {show_duration(shortest)}")
    if seconds > longest:
        raise ValueError(f"{quoted(text)} is too long; at most {show_duration(longest)}")
    return seconds


def show_duration(seconds: float) -> str:
    """In the largest unit that reads well: `60s`, `5m`, `1h`, `24h`, `2d`."""
    milliseconds = round(seconds * 1000)
    for unit, least in _SHOWN_FROM.items():
        count, rest = divmod(milliseconds, _MILLISECONDS[unit])
        if count >= least and not rest:
            return f"{count}{unit}"
    return f"{milliseconds}ms"


def whole(text: str, least: int, most: int) -> int:
    """A whole number. `1e+06`, which template engines make of 1000000, is one too."""
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{quoted(text)} is not a whole number")
    number = int(Decimal(text.replace("_", "")))
    if not least <= number <= most:
        raise ValueError(f"{quoted(text)} is out of bounds; {least} to {most}")
    return number


def flag(text: str) -> bool:
    """`true` or `false`, and the other words that YAML has for them."""
    value = _FLAGS.get(text.lower())
    if value is None:
        raise ValueError(f"{quoted(text)} is not a switch; write true or false")
    return value


def start(text: str) -> UsageStart:
    """Where counting begins: `now`, a duration back such as `-24h`, or an ISO date or time."""
    if text == "now":
        return UsageStart()
    if text.startswith("-"):
        back = duration(text[1:])
        if back > MAX_BACK:
            raise ValueError(f"{quoted(text)} is too far back; at most {show_duration(MAX_BACK)}")
        return UsageStart(back=back)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{quoted(text)} is not a start; write now, a duration back such as -24h, "
            "or a time such as 2026-05-01T00:00:00Z"
        ) from None
    if not _FIRST_YEAR <= at.year < 10_000 - 1:
        raise ValueError(f"{quoted(text)} is before {_FIRST_YEAR} or absurdly far ahead")
    return UsageStart(at=(at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


def show_start(value: UsageStart) -> str:
    """The text of a start."""
    if value.at is not None:
        return datetime.fromtimestamp(value.at, UTC).isoformat().replace("+00:00", "Z")
    return f"-{show_duration(value.back)}" if value.back else "now"


def _is_host(text: str) -> bool:
    """Whether this is a name or an IPv4 address that a resolver will at least look at."""
    labels = text.removesuffix(".").split(".")
    if all(label.isdigit() for label in labels):
        return _is_address(text, IPv4Address)
    return len(text) <= _MAX_HOST and all(_LABEL.fullmatch(label) for label in labels)


def _is_address(text: str, kind: type[IPv4Address] | type[IPv6Address]) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True


def listen(text: str) -> Listen | None:
    """`HOST:PORT`, an IPv6 address in brackets; None for "", which turns the listener off."""
    if not text:
        return None
    match = _LISTEN.fullmatch(text)
    if match and int(match[3]) <= _MAX_PORT:
        bracketed, bare = match[1], match[2]
        if _is_address(bracketed, IPv6Address) if bracketed is not None else _is_host(bare):
            return Listen(bracketed or bare, int(match[3]))
    raise ValueError(
        f"{quoted(text)} is not an address to listen on; write 127.0.0.1:9464, [::1]:9464, "
        '0.0.0.0:9464 for every network, or "" for none'
    )


def show_listen(value: Listen | None) -> str:
    """The text of an address."""
    if value is None:
        return '""'
    return str(value)


def _split(text: str) -> SplitResult:
    """The parts of a URL. Raises ValueError, also where host or port make no sense."""
    if unwanted(text) or " " in text or not text.isascii():
        raise ValueError("a URL holds only printable ASCII characters")
    parts = urlsplit(text)
    host = parts.hostname or ""
    good = _is_address(host, IPv6Address) if ":" in host else _is_host(host)
    if not good or parts.port == 0 or parts.netloc.endswith(":"):
        raise ValueError("not a host and port")
    return parts


def url(text: str) -> str:
    """An http or https URL without credentials, query and fragment, and without a last slash."""
    if not text.lower().startswith(("http://", "https://")):
        raise ValueError("is not a URL; it begins with http:// or https://")
    try:
        parts = _split(text)
    except ValueError:
        raise ValueError("is not a URL with a host, such as https://gateway.example:8443") from None
    if "@" in parts.netloc:
        raise ValueError("holds a user name or password, which a URL must not; leave it out")
    if "?" in text or "#" in text:
        raise ValueError("has a query or fragment, which would end up in logs; leave it out")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def is_loopback(address: str) -> bool:
    """Whether a URL accepted by `url` stays on this machine."""
    host = urlsplit(address).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def leads_to(address: str, listen: Listen) -> bool:
    """Whether a URL accepted by `url` leads to who listens there on this machine."""
    parts = urlsplit(address)
    if (parts.port or (443 if parts.scheme == "https" else 80)) != listen.port:
        return False
    here = listen.host in _EVERYWHERE or is_loopback(f"http://{listen}")
    return parts.hostname == listen.host or (here and is_loopback(address))


def file_path(text: str) -> Path:
    """A path, relative to the working directory."""
    if not text or text.endswith("/"):
        raise ValueError(f"{quoted(text)} is not the path of a file")
    return Path(text)


def pem_file(text: str) -> Path:
    """The path of a PEM file that can be read now."""
    if "-----BEGIN" in text:
        raise ValueError("holds PEM text; write the path of a file that holds it")
    path = file_path(text)
    try:
        # Asked first, because opening a named pipe waits for its writer.
        content = _beginning(path) if path.is_file() else None
    except OSError as error:
        raise ValueError(f"{quoted(text)} cannot be read: {error.strerror}") from None
    if content is None:
        raise ValueError(f"{quoted(text)} is not a file")
    if b"-----BEGIN " not in content:
        raise ValueError(f"{quoted(text)} is not a PEM file")
    return path


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(1 << 20)


def variable_name(text: str) -> str:
    """The name of an environment variable."""
    if not _VARIABLE.fullmatch(text):
        raise ValueError("is not the name of an environment variable, such as BYTESPIKE_API_KEY")
    return text


def account_or_none(text: str) -> str | None:
    """The name of an account; None for ""."""
    return account_name(text) if text else None


def host(text: str) -> str:
    """A host's name or address, in lower case, without a port."""
    address = text.strip("[]")
    if not (_is_address(address, IPv6Address) if ":" in address else _is_host(text)):
        raise ValueError(f"{quoted(text)} is not the name of a host; write it without a port")
    return address.lower()


def url_path(text: str) -> str:
    """The path of a URL that none of the status page's is."""
    if not _URL_PATH.fullmatch(text):
        raise ValueError(f"{quoted(text)} is not a path; write one such as /hooks/bytespike")
    if text in _TAKEN:
        raise ValueError(f"{quoted(text)} is a path of the status page; take another one")
    return text


def header_name(text: str) -> str:
    """The name of a header."""
    if not HEADER_NAME.fullmatch(text):
        raise ValueError(f"{quoted(text)} is not the name of a header")
    return text


def account_name(text: str) -> str:
    """A name of 1 to 100 characters."""
    if not text.strip() or text != text.strip():
        raise ValueError(f"{quoted(text)} is blank or has space around it")
    if len(text) > _MAX_NAME:
        raise ValueError(f"{quoted(text)} has {len(text)} characters; at most {_MAX_NAME}")
    return text

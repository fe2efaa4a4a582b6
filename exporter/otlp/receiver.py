"""Where requests go, and what may be shown of it and of what it says."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from urllib.parse import urlsplit

from exporter.secrets import HIDDEN, redact

MAX_SHOWN = 200
"""No more characters than this of what a receiver says are shown."""

_MAX_READ = 4096


class Receiver:
    """One receiver, the same for HTTP and gRPC.

    `headers` have names in lower case; their values are secrets. `shown` is the URL as it may
    appear in a message.
    """

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self.url = url
        self.shown = shown_url(url)
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.secure = url.lower().startswith("https://")
        secrets = {form for value in headers.values() for form in _forms(value)}
        self._secrets = sorted(filter(None, secrets), key=len, reverse=True)

    def clean(self, said: str) -> str:
        """What it says as one printable line of at most `MAX_SHOWN` characters, without secrets."""
        said = said[:_MAX_READ]
        for secret in self._secrets:
            said = said.replace(secret, HIDDEN)
        said = redact(said)
        said = " ".join("".join(c if c.isprintable() else " " for c in said).split())
        return said if len(said) <= MAX_SHOWN else said[: MAX_SHOWN - 1] + "…"


def shown_url(url: str) -> str:
    """The URL without user, password, query and fragment."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return "an unreadable URL"
    if not host:
        return parts.path
    if ":" in host:
        host = f"[{host}]"
    return f"{parts.scheme}://{host}{port}{parts.path}"


def _forms(value: str) -> Iterable[str]:
    """A header value, the part after its scheme, and what HTTP Basic hides in that."""
    value = value.strip()
    _, _, credentials = value.partition(" ")
    yield value
    yield credentials.strip()
    if value.lower().startswith("basic "):
        try:
            pair = base64.b64decode(credentials, validate=True).decode()
        except (binascii.Error, ValueError):
            return
        yield pair
        yield pair.partition(":")[2]

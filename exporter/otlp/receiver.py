"""Where requests go, and what may be shown of it and of what it says."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Self
from urllib.parse import urlsplit

import msgspec

from exporter.config.types import Otlp
from exporter.secrets import HIDDEN, redact

MAX_SHOWN = 200
"""No more characters than this of what a receiver says are shown."""

_MAX_READ = 4096


class Receiver(msgspec.Struct, frozen=True):
    """One receiver, the same for HTTP and gRPC.

    The names of `headers` are in lower case. `shown` is the URL as it may appear in a message;
    `redactor` knows the header values.
    """

    url: str
    shown: str
    headers: dict[str, str]
    redactor: Redactor

    @classmethod
    def of(cls, otlp: Otlp) -> Self:
        """The receiver that the configuration names."""
        headers = {name.lower(): value.reveal() for name, value in otlp.headers.items()}
        return cls(otlp.endpoint, shown_url(otlp.endpoint), headers, Redactor(headers.values()))

    @property
    def secure(self) -> bool:
        """Whether TLS is asked for."""
        return self.url.lower().startswith("https://")


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


class Redactor:
    """Takes the values of secret headers out of foreign text, and bounds it."""

    def __init__(self, values: Iterable[str]) -> None:
        """`values`: the header values as they are sent."""
        secrets = {form for value in values for form in _forms(value)}
        self._secrets = sorted(filter(None, secrets), key=len, reverse=True)

    def clean(self, text: str) -> str:
        """One printable line of at most `MAX_SHOWN` characters without any header value."""
        text = text[:_MAX_READ]
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        text = redact(text)
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


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

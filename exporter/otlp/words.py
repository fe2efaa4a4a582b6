"""What may be shown of foreign text and of URLs: bounded, printable, without secrets."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from urllib.parse import urlsplit

from exporter.secrets import redact

MAX_WORDS = 200
"""No more characters than this of what a receiver says are shown."""

_MAX_READ = 4096
_REDACTED = "…"


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
        """One printable line of at most `MAX_WORDS` characters that throttle no header value."""
        text = text[:_MAX_READ]
        for secret in self._secrets:
            text = text.replace(secret, _REDACTED)
        text = redact(text)
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return text if len(text) <= MAX_WORDS else text[: MAX_WORDS - 1] + "…"


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

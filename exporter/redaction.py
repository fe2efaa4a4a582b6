"""The last line of defence against a key in a text: whatever looks like one is cut out.

Secrets are kept out of messages where they are made; this catches what slipped through, for
instance in the message of a library's exception.
"""

from __future__ import annotations

import re

from exporter.secret import Secret

HIDDEN = "…"
_KEY = re.compile(r"sk-byts-[A-Za-z0-9_-]{8,}")
_KEY_START = re.compile(r"sk-byts-[A-Za-z0-9_-]", re.IGNORECASE)
_SHORTEST = 8
_protected: set[str] = set()


def looks_like_key(text: str) -> bool:
    """Whether a key, or the beginning of one, stands anywhere in `text`."""
    return _KEY_START.search(text) is not None


def holds_key(text: str) -> bool:
    """Whether a whole key stands anywhere in `text`; an example such as `sk-byts-abc` does not."""
    return _KEY.search(text) is not None


def protect(secret: Secret) -> None:
    """Have `redact` cut out this value, and the credential in `Bearer credential`, from now on.

    Keys in the gateway's spelling are recognized anyway and not remembered. Parts shorter than
    8 characters are not cut out: ordinary words would go with them.
    """
    value = secret.reveal().strip()
    for part in {value, *value.split()}:
        if len(part) >= _SHORTEST and not _KEY.fullmatch(part):
            _protected.add(part)


def redact(text: str) -> str:
    """`text` without anything that looks like a key and without any protected value."""
    for value in sorted(_protected, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    return _KEY.sub(f"sk-byts-{HIDDEN}", text)

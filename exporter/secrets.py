"""Secrets: a value that cannot print itself, the files that hold one, and redaction.

Secrets are kept out of messages where they are made; `redact` is the last line of defence and
catches what slipped through, for instance in the message of a library's exception.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import urlsplit

HIDDEN = "…"
_KEY = re.compile(r"sk-byts-[A-Za-z0-9_-]{8,}")
_KEY_START = re.compile(r"sk-byts-[A-Za-z0-9_-]", re.IGNORECASE)
_MASK = re.compile(r"[^\s]*(?:…|\.\.\.|\*\*)\**(?=[^\s.…*]*$)")
_SHORTEST = 8
_protected: set[str] = set()
_MAX_FILE: Final = 4096
_Signature = tuple[int, int, int]


class Secret:
    """An API key or a password, kept out of every text and every pickle.

    Only `reveal` gives the value, and only the line that sends it should call that.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def masked(self) -> str:
        """The gateway's masked form: `sk-byts-…9f3c`.

        Of a key in another spelling the last four characters; of one shorter than 20 none.
        """
        prefix = "sk-byts-" if self._value.startswith("sk-byts-") else ""
        return f"{prefix}…{self._value[-4:] if len(self._value) >= 20 else ''}"

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled")


def is_mask(text: str) -> bool:
    """Whether it is a masked key, in any spelling: `sk-byts-…9f3c`, `sk-byts-...****9f3c`."""
    return _MASK.search(text) is not None


def one_mask(text: str) -> str:
    """The one form of a masked key, whichever spelling it came in; any other text as it is."""
    found = _MASK.search(text)
    if found is None:
        return text
    prefix = "sk-byts-" if text.startswith("sk-byts-") else ""
    return f"{prefix}…{text[found.end() :][-4:]}"


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


def printable(text: str) -> str:
    """`text` without keys, and with what cannot be printed on one line written as an escape."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in redact(text)
    )


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


class SecretFile:
    """Gives the secret in a file, newest version; or several, each on a line, at most `most`."""

    def __init__(self, path: Path, most: int = 1) -> None:
        self.path = path
        self._most = most
        self._signature: _Signature | None = None
        self._secrets: tuple[Secret, ...] = ()

    def read(self) -> Secret:
        """The first secret. Raises ValueError as `read_all` does."""
        return self.read_all()[0]

    def read_all(self) -> tuple[Secret, ...]:
        """The secrets as they are now. Raises ValueError with half a sentence, after the path.

        Re-read when inode, size or time changed; Kubernetes swaps a symlink to a new file.
        """
        try:
            signature = _signature(os.stat(self.path))
            if self._secrets and signature == self._signature:
                return self._secrets
            with self.path.open("rb") as file:
                signature = _signature(os.fstat(file.fileno()))
                raw = file.read(_MAX_FILE + 1)
        except FileNotFoundError:
            problem = "does not exist"
        except (OSError, ValueError) as error:
            problem = f"cannot be read ({type(error).__name__})"
        else:
            if len(raw) > _MAX_FILE:
                raise ValueError(f"holds more than {_MAX_FILE} bytes, which is no key")
            self._secrets = self._checked(raw.decode("utf-8", "replace").removeprefix("\ufeff"))
            self._signature = signature
            return self._secrets
        raise ValueError(problem)

    def _checked(self, text: str) -> tuple[Secret, ...]:
        if self._most == 1:
            return (checked(text),)
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) > self._most:
            raise ValueError(f"holds more than {self._most} lines")
        return tuple(checked(line) for line in lines or [""])

    def forget(self) -> None:
        """Read the file again, even if it looks unchanged."""
        self._signature = None

    def version(self) -> object:
        """Differs from what it gave before once the file was changed; made for comparing."""
        try:
            return _signature(os.stat(self.path))
        except (OSError, ValueError):
            return "no such file"


def checked(text: str) -> Secret:
    """The secret that a text holds. Raises ValueError with what is wrong with it.

    From now on `redact` cuts it out.
    """
    value = text.strip()
    if not value:
        raise ValueError("is empty")
    if "\n" in value or "\r" in value:
        raise ValueError("holds more than one line")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("holds characters that cannot be part of a key")
    secret = Secret(value)
    protect(secret)
    return secret


def _signature(status: os.stat_result) -> _Signature:
    return status.st_mtime_ns, status.st_ino, status.st_size

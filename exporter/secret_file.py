"""A secret that stands alone in a file, which may change while the process runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from exporter.redaction import protect
from exporter.secret import Secret

_MAX_FILE: Final = 4096
_Signature = tuple[int, int, int]


class SecretFile:
    """Gives the secret in a file, newest version."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._signature: _Signature | None = None
        self._secret: Secret | None = None

    def read(self) -> Secret:
        """The secret as it is now. Raises ValueError with the half of a sentence after the path.

        Re-read when inode, size or time changed; Kubernetes swaps a symlink to a new file.
        """
        try:
            signature = _signature(os.stat(self.path))
            if self._secret is not None and signature == self._signature:
                return self._secret
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
            self._secret = checked(raw.decode("utf-8", "replace").removeprefix("\ufeff"))
            self._signature = signature
            return self._secret
        raise ValueError(problem)

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

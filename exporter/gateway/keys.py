"""Where an account's key comes from: an environment variable, or a file that may change."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from exporter.config import Account
from exporter.errors import AuthError
from exporter.redaction import protect
from exporter.secret import Secret

_MAX_FILE: Final = 4096
_Signature = tuple[int, int, int]


class KeySource:
    """Gives the account's key, newest version."""

    def __init__(self, account: Account, environ: Mapping[str, str]) -> None:
        self._account = account
        self._environ = environ
        self._signature: _Signature | None = None
        self._key: Secret | None = None

    @property
    def place(self) -> str:
        """Where an operator finds the key, for error messages."""
        if self._account.api_key_file is not None:
            return f"api_key_file {str(self._account.api_key_file)!r}"
        return f"the environment variable {self._account.api_key_env!r} (api_key_env)"

    def read(self) -> Secret:
        """The key as it is now. Raises AuthError that says what to do; nothing is sent then."""
        if self._account.api_key_file is not None:
            return self._from_file(self._account.api_key_file)
        text = self._environ.get(self._account.api_key_env or "")
        if text is None:
            raise self._unusable("is not set")
        if self._key is None or self._key.reveal() != text.strip():
            self._key = self._checked(text)
        return self._key

    def forget(self) -> None:
        """The gateway refused the key: read the file again, even if it looks unchanged."""
        self._signature = None

    def version(self) -> object:
        """Differs from what it gave before once the key file was changed; made for comparing.

        None for a key in an environment variable, which cannot change.
        """
        if self._account.api_key_file is None:
            return None
        try:
            return _signature(os.stat(self._account.api_key_file))
        except (OSError, ValueError):
            return "no such file"

    def _from_file(self, path: Path) -> Secret:
        """Re-read when inode, size or time changed; Kubernetes swaps a symlink to a new file."""
        problem = "cannot be read"
        try:
            signature = _signature(os.stat(path))
            if self._key is not None and signature == self._signature:
                return self._key
            with path.open("rb") as file:
                signature = _signature(os.fstat(file.fileno()))
                raw = file.read(_MAX_FILE + 1)
        except FileNotFoundError:
            problem = "does not exist"
        except (OSError, ValueError) as error:
            problem = f"cannot be read ({type(error).__name__})"
        else:
            if len(raw) > _MAX_FILE:
                raise self._unusable(f"holds more than {_MAX_FILE} bytes, which is no key")
            self._key = self._checked(raw.decode("utf-8", "replace").removeprefix("\ufeff"))
            self._signature = signature
            return self._key
        raise self._unusable(problem)

    def _checked(self, text: str) -> Secret:
        key = text.strip()
        if not key:
            raise self._unusable("is empty")
        if "\n" in key or "\r" in key:
            raise self._unusable("holds more than one line")
        if not key.isascii() or not key.isprintable() or " " in key:
            raise self._unusable("holds characters that cannot be part of a key")
        secret = Secret(key)
        protect(secret)
        return secret

    def _unusable(self, problem: str) -> AuthError:
        return AuthError(
            f"no key for account {self._account.name!r}: {self.place} {problem}; "
            "put the API key there, alone on one line"
        )


def _signature(status: os.stat_result) -> _Signature:
    return status.st_mtime_ns, status.st_ino, status.st_size

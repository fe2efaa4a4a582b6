"""Where an account's key comes from: an environment variable, or a file that may change."""

from __future__ import annotations

from collections.abc import Mapping

from exporter.config.types import Account
from exporter.errors import AuthError
from exporter.secrets import Secret, SecretFile, checked


class KeySource:
    """Gives the account's key, newest version."""

    def __init__(self, account: Account, environ: Mapping[str, str]) -> None:
        self._account = account
        self._environ = environ
        path = account.api_key_file
        self._file = SecretFile(path) if path is not None else None
        self._key: Secret | None = None
        self.accepted: Secret | None = None
        """The key for rows: one whose account is known. The newest one while there is none."""

    @property
    def place(self) -> str:
        """Where an operator finds the key, for error messages."""
        if self._file is not None:
            return f"api_key_file {str(self._file.path)!r}"
        return f"the environment variable {self._account.api_key_env!r} (api_key_env)"

    def read(self) -> Secret:
        """The key as it is now. Raises AuthError that says what to do; nothing is sent then."""
        try:
            return self._file.read() if self._file is not None else self._from_environment()
        except ValueError as error:
            problem = str(error)
        # Not chained: the frames below hold what stands where the key should.
        raise AuthError(
            f"no key for account {self._account.name!r}: {self.place} {problem}; "
            "put the API key there, alone on one line"
        )

    def forget(self) -> None:
        """The gateway refused the key: read the file again, even if it looks unchanged."""
        if self._file is not None:
            self._file.forget()

    def version(self) -> object:
        """Differs from what it gave before once the key file was changed; made for comparing.

        None for a key in an environment variable, which cannot change.
        """
        return self._file.version() if self._file is not None else None

    def _from_environment(self) -> Secret:
        text = self._environ.get(self._account.api_key_env or "")
        if text is None:
            raise ValueError("is not set")
        if self._key is None or self._key.reveal() != text.strip():
            self._key = checked(text)
        return self._key

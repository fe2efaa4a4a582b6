"""Who signed a delivery to the webhook: the secrets of the configuration, each as it is now."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from pathlib import Path

from exporter.config.secret_files import webhook_secrets
from exporter.config.types import Config
from exporter.secrets import Secret, SecretFile

SECRETS = 2
"""Secrets of one file: while they are rotated, the new one and the old."""

Owner = str | None
"""The account whose secret it is; None for the one that all of them share."""


class Signers:
    """Every secret that may sign. `problems`: what cannot be read, in words that say what to do."""

    def __init__(self) -> None:
        self._files: dict[Path, SecretFile] = {}
        self._secrets: list[tuple[Owner, Secret]] = []
        self.problems: list[str] = []

    def read(self, config: Config) -> bool:
        """Read what has changed. Whether there is any secret to verify with."""
        wanted = tuple(webhook_secrets(config))
        known = self._files
        self._files = {path: known.get(path) or SecretFile(path, SECRETS) for *_, path in wanted}
        self._secrets, self.problems = [], []
        for setting, owner, path in wanted:
            try:
                secrets = self._files[path].read_all()
            except ValueError as error:
                self.problems.append(
                    f"{setting} {str(path)!r} {error}; put the secret there that the gateway gave "
                    "when the webhook was registered, alone on one line"
                )
            else:
                self._secrets += [(owner, secret) for secret in secrets]
        return bool(self._secrets)

    def of(self, body: bytes, signature: bytes) -> set[Owner]:
        """Whose secrets have signed the body; none of them where it is forged."""
        return set(self._matching(body, signature))

    def _matching(self, body: bytes, signature: bytes) -> Iterator[Owner]:
        # All of them each time: how long it takes tells nothing of which it was.
        for owner, secret in self._secrets:
            digest = hmac.digest(secret.reveal().encode(), body, "sha256")
            if hmac.compare_digest(digest, signature):
                yield owner

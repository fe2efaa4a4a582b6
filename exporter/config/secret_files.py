"""Which files hold the secrets that sign the gateway's deliveries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from exporter.config.types import Config


def webhook_secrets(config: Config) -> Iterator[tuple[str, str | None, Path]]:
    """Each file: its key path, the account whose deliveries it signs, itself.

    The account is None where it signs those of all accounts. Without a file there is no webhook.
    """
    if config.webhook.secret_file is not None:
        yield "webhook.secret_file", None, config.webhook.secret_file
    for index, account in enumerate(config.accounts):
        file = account.webhook_secret_file
        if file is not None:
            yield f"accounts[{index}].webhook_secret_file", account.name, file


def takes_deliveries(config: Config) -> bool:
    """Whether there is a webhook."""
    return any(webhook_secrets(config))

"""What works but is probably not meant: lines for the log at start."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from exporter.config.secret_files import webhook_secrets
from exporter.config.types import Config, Protocol
from exporter.config.values import is_loopback
from exporter.secrets import printable


def caveats(config: Config) -> tuple[str, ...]:
    """Every caveat, each beginning with its key path."""
    lines = (*_accounts(config), *_budget(config), *_otlp(config), *_tap(config))
    return tuple(printable(line) for line in lines)


def _clear(url: str) -> bool:
    return url.startswith("http:") and not is_loopback(urlsplit(url).hostname or "")


def _accounts(config: Config) -> Iterator[str]:
    if _clear(config.gateway.base_url):
        yield "gateway.base_url: is not https, so keys cross the network in clear"
    for index, account in enumerate(config.accounts):
        path, file = f"accounts[{index}]", account.api_key_file
        if account.base_url != config.gateway.base_url and _clear(account.base_url):
            yield f"{path}.base_url: is not https, so the key crosses the network in clear"
        if file is not None and not file.is_file():
            name = account.name
            yield f"{path}.api_key_file: {file} is not there yet; polls of {name} fail until it is"


def _budget(config: Config) -> Iterator[str]:
    per_minute = 60 / config.poll.account
    per_minute += 60 / config.poll.usage if config.usage.enabled else 0
    per_minute += 60 / config.poll.transactions if config.transactions.enabled else 0
    if per_minute > config.gateway.max_requests_per_minute:
        yield (
            f"poll: asks for {per_minute:.0f} requests a minute, more than "
            "gateway.max_requests_per_minute allows; polls will come later than configured"
        )


def _otlp(config: Config) -> Iterator[str]:
    otlp = config.otlp
    if otlp.headers and _clear(otlp.endpoint):
        yield "otlp.endpoint: is not https, so otlp.headers cross the network in clear"
    grpc = otlp.protocol is Protocol.GRPC
    wrong_port, other = (4318, Protocol.HTTP) if grpc else (4317, Protocol.GRPC)
    if otlp.endpoint and urlsplit(otlp.endpoint).port == wrong_port:
        yield (
            f"otlp.endpoint: port {wrong_port} is usually for {other}, and otlp.protocol is "
            f"{otlp.protocol}"
        )


def _tap(config: Config) -> Iterator[str]:
    tap = config.tap
    if tap.enabled and tap.account is None and len(config.accounts) > 1:
        yield "tap.account: is not set, so keys that are none of the accounts' own are not shown"
    if tap.listen is not None and not is_loopback(tap.listen.host):
        yield "tap.listen: is open to the network, and asks nobody who they are"
    for setting, _, secret in webhook_secrets(config):
        if not secret.is_file():
            yield f"{setting}: {secret} is not there yet; deliveries are answered 503 until it is"

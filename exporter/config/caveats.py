"""What works but is probably not meant: lines for the log at start."""

from __future__ import annotations

from urllib.parse import urlsplit

from exporter.config.kinds import is_loopback
from exporter.config.problems import printable
from exporter.config.types import Config, Protocol

_GRPC_PORT = 4317
_HTTP_PORT = 4318


def caveats(config: Config) -> tuple[str, ...]:
    """Every caveat, each beginning with its key path."""
    parts = (_accounts, _budget, _otlp, _tap, _webhook)
    lines = (line for part in parts for line in part(config))
    return tuple(printable(line) for line in lines)


def _clear(url: str) -> bool:
    return url.startswith("http:") and not is_loopback(urlsplit(url).hostname or "")


def _accounts(config: Config) -> list[str]:
    lines = []
    if _clear(config.gateway.base_url):
        lines.append("gateway.base_url: is not https, so keys cross the network in clear")
    for index, account in enumerate(config.accounts):
        path = f"accounts[{index}]"
        if account.base_url != config.gateway.base_url and _clear(account.base_url):
            lines.append(f"{path}.base_url: is not https, so the key crosses the network in clear")
        if account.api_key_file is not None and not account.api_key_file.is_file():
            lines.append(
                f"{path}.api_key_file: {account.api_key_file} is not there yet; polls of "
                f"{account.name} fail until it is"
            )
    return lines


def _tap(config: Config) -> list[str]:
    tap, lines = config.tap, []
    if tap.enabled and tap.account is None and len(config.accounts) > 1:
        lines.append(
            "tap.account: is not set, so keys that are none of the accounts' own are not shown"
        )
    if tap.listen is not None and not is_loopback(tap.listen.host):
        lines.append("tap.listen: is open to the network, and asks nobody who they are")
    return lines


def _webhook(config: Config) -> list[str]:
    secret = config.webhook.secret_file
    if secret is None or secret.is_file():
        return []
    return [
        f"webhook.secret_file: {secret} is not there yet; deliveries are answered 503 until it is"
    ]


def _budget(config: Config) -> list[str]:
    poll = config.poll
    per_minute = 60 / poll.account
    per_minute += 60 / poll.usage if config.usage.enabled else 0
    per_minute += 60 / poll.transactions if config.transactions.enabled else 0
    if per_minute <= config.gateway.max_requests_per_minute:
        return []
    return [
        f"poll: asks for {per_minute:.0f} requests a minute, more than "
        "gateway.max_requests_per_minute allows; polls will come later than configured"
    ]


def _otlp(config: Config) -> list[str]:
    otlp = config.otlp
    if not otlp.endpoint:
        return []
    lines = []
    if otlp.headers and _clear(otlp.endpoint):
        lines.append("otlp.endpoint: is not https, so otlp.headers cross the network in clear")
    wrong_port = _HTTP_PORT if otlp.protocol is Protocol.GRPC else _GRPC_PORT
    if urlsplit(otlp.endpoint).port == wrong_port:
        other = "http/protobuf" if otlp.protocol is Protocol.GRPC else "grpc"
        lines.append(
            f"otlp.endpoint: port {wrong_port} is usually for {other}, and otlp.protocol is "
            f"{otlp.protocol}"
        )
    return lines

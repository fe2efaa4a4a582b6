"""Asks the gateway once for each account of a configuration, as the commands of the books do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from exporter.clock import SystemClock
from exporter.config.types import Account, Config
from exporter.gateway.client import GatewayClient
from exporter.gateway.readings import Envelope
from exporter.runtime import connect, in_turn

Told = TypeVar("Told")


async def ask_each(
    config: Config,
    environ: Mapping[str, str],
    ask: Callable[[Account, GatewayClient], Awaitable[list[Told]]],
) -> list[Told]:
    """All that `ask` gives for the accounts, some of them at once. Raises what it raises."""
    http, clock = connect(config), SystemClock()

    async def of(account: Account) -> list[Told]:
        settings = config.gateway, config.usage
        return await ask(account, GatewayClient(http, account, *settings, clock, _unheard, environ))

    try:
        return await in_turn(of, config.accounts)
    finally:
        await http.aclose()


def _unheard(envelope: Envelope) -> None:
    """Commands have no use for quota headers."""

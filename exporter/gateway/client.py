"""HTTP: auth, request budget, retries, envelope. The only importer of httpx."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from exporter.clock import Clock
from exporter.config import Account, Gateway, Usage
from exporter.gateway.readings import (
    AccountReading,
    Envelope,
    LogPage,
    RollupReading,
    TransactionsPage,
)


class GatewayClient:
    """One account's view of the gateway."""

    async def account(self) -> AccountReading:
        """`GET /me/account`. Raises GatewayError."""
        raise NotImplementedError

    def usage(self, since: float, until: float) -> AsyncIterator[LogPage | RollupReading]:
        """Usage with `since` ≤ time < `until` (Unix s), in whichever shape the gateway answers."""
        raise NotImplementedError

    def transactions(self, since: float, until: float) -> AsyncIterator[TransactionsPage]:
        """Transactions with `since` ≤ created_at < `until`, newest first, page by page."""
        raise NotImplementedError

"""The pollers and exports of one configuration, made together and ended together."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from exporter import __version__
from exporter.board import AccountBoard, Board, EndpointStatus
from exporter.clock import Clock
from exporter.config import Config
from exporter.exports import ExportLoop
from exporter.gateway.client import GatewayClient, open_http
from exporter.gateway.readings import Endpoint
from exporter.ledger.ledger import Ledger, Rules
from exporter.ledger.store import Store
from exporter.ledger.worker import Worker
from exporter.otlp import OtlpExporter
from exporter.poller import AccountPoller
from exporter.repeats import Repeats

SPREAD = 0.02
"""Seconds between the first polls of one account and those of the next."""

_FIRST_POLLS = 2.0
"""How long the first export waits for the first polls, in seconds."""

_RESTART = 10.0

logger = logging.getLogger(__name__)


class Surroundings(msgspec.Struct, frozen=True):
    """What outlives a reload of the configuration."""

    board: Board
    store: Store
    worker: Worker
    clock: Clock
    repeats: Repeats
    environ: Mapping[str, str]


def resource(config: Config, instance_id: str) -> dict[str, str]:
    """The OTLP resource; `resource_attributes` win over what the exporter would say itself."""
    return {
        "service.name": "bytespike-exporter",
        "service.version": __version__,
        "service.instance.id": instance_id,
        **config.resource_attributes,
    }


def intervals(config: Config) -> dict[Endpoint, float]:
    """The poll interval, in seconds, of every endpoint that is enabled."""
    enabled = {Endpoint.ACCOUNT: config.poll.account}
    if config.usage.enabled:
        enabled[Endpoint.USAGE] = config.poll.usage
    if config.transactions_enabled:
        enabled[Endpoint.TRANSACTIONS] = config.poll.transactions
    return enabled


class Fleet:
    """Everything that one configuration sets in motion."""

    def __init__(self, config: Config, around: Surroundings) -> None:
        self._config = config
        self._around = around
        usage = config.usage
        self.ledger = Ledger(
            around.store, Rules(usage.settle_window, usage.max_series, config.runway_window)
        )
        self._http = open_http(config.gateway.timeout)
        self._seat_accounts()
        self.pollers = [self._poller(name) for name in around.board.accounts]
        self.exports = self._export_loop()
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Make the accounts known to the ledger. Raises StateError."""
        now = self._around.clock.now()
        # After a state file was lost, history would be counted again under a new identity.
        lost = self._around.store.recovered_from is not None
        start = now if lost else self._config.usage.start.instant(now)
        for account in self._config.accounts:
            await self._around.worker.do(self.ledger.open_account, account.name, start, now)

    def start(self) -> None:
        """Poll and export from now on."""
        for number, poller in enumerate(self.pollers):
            self._keep(lambda poller=poller, delay=number * SPREAD: poller.run(delay))  # type: ignore[misc]
        if self.exports is not None:
            self._keep(self._export)

    async def stop(self) -> None:
        """Stop polling. What was committed stays; an export under way goes on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self._http.aclose()

    async def _export(self) -> None:
        assert self.exports is not None
        patience = min(_FIRST_POLLS, self._config.otlp.interval)
        deadline = self._around.clock.monotonic() + patience
        while not self._polled_once() and self._around.clock.monotonic() < deadline:
            await self._around.clock.sleep(0.02)
        await self.exports.run()

    def _polled_once(self) -> bool:
        return all(
            status.up is not None
            for account in self._around.board.accounts.values()
            for status in account.endpoints.values()
        )

    def _keep(self, run: Callable[[], Awaitable[None]]) -> None:
        """Run for ever. A mistake of ours is logged with its traceback and ends nothing else."""

        async def kept() -> None:
            while True:
                try:
                    await run()
                except Exception:
                    logger.exception(
                        "A mistake in the exporter stopped a part of it; trying again in %g s. "
                        "Please report it",
                        _RESTART,
                    )
                await self._around.clock.sleep(_RESTART)

        self._tasks.append(asyncio.create_task(kept()))

    def _seat_accounts(self) -> None:
        """Boards for the accounts, in their order; those that stay keep what they have read."""
        board, before = self._around.board, dict(self._around.board.accounts)
        board.accounts.clear()
        for account in self._config.accounts:
            seat = AccountBoard(account.name, intervals(self._config))
            known = before.get(account.name)
            if known is not None:
                seat.account, seat.keys, seat.rows = known.account, known.keys, known.rows
                for endpoint, status in seat.endpoints.items():
                    seat.endpoints[endpoint] = _continued(known.endpoints.get(endpoint), status)
            board.accounts[account.name] = seat

    def _poller(self, name: str) -> AccountPoller:
        around = self._around
        seat = around.board.accounts[name]
        account = next(one for one in self._config.accounts if one.name == name)
        client = GatewayClient(
            self._http,
            account,
            self._config.gateway,
            self._config.usage,
            around.clock,
            seat.observe,
            around.environ,
        )
        return AccountPoller(
            around.board,
            seat,
            client,
            self.ledger,
            around.worker,
            around.clock,
            random.Random(),
            around.repeats,
        )

    def _export_loop(self) -> ExportLoop | None:
        if not self._config.otlp.endpoint:
            return None
        around = self._around
        return ExportLoop(
            OtlpExporter(self._config.otlp, resource(self._config, around.store.instance_id)),
            around.board,
            self.ledger,
            around.worker,
            around.clock,
            around.repeats,
            self._config.otlp.interval,
        )


def _continued(before: EndpointStatus | None, status: EndpointStatus) -> EndpointStatus:
    """The status that goes on after a reload, with the new interval."""
    if before is None:
        return status
    before.interval = status.interval
    return before

"""The pollers and exports of one configuration, made together and ended together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from exporter import __version__
from exporter.clock import InterruptibleClock
from exporter.config.secret_files import takes_deliveries
from exporter.config.types import Account, Config
from exporter.errors import ConfigError
from exporter.gateway.client import GatewayClient, HttpClient, open_http
from exporter.gateway.readings import QUOTA_HEADERS, Endpoint, Envelope
from exporter.ledger.ledger import Ledger, Rules
from exporter.ledger.store import Store
from exporter.live import Live, LiveAccount, warn_unreadable
from exporter.polling.poller import AccountPoller, PollError
from exporter.threads import Worker
from exporter.throttle import Throttle

if TYPE_CHECKING:
    from exporter.export_loop import ExportLoop

SPREAD = 0.02
"""Seconds between the first polls of one account and those of the next."""

FIRST_POLLS = 2.0
"""How long the first export waits for the first polls, in seconds."""

RESTART = 10.0
"""Seconds until a part that a mistake of ours stopped is started again."""

Item = TypeVar("Item")
Result = TypeVar("Result")

_LOOK = 0.02
_AT_ONCE = 20
_CLOSE_HTTP = 1.0

logger = logging.getLogger(__name__)


def resource(config: Config, instance_id: str) -> dict[str, str]:
    """The OTLP resource; `resource_attributes` win over what the exporter would say itself.

    But for the instance: under another id a receiver would take all totals for new growth.
    """
    return {
        "service.name": "bytespike-exporter",
        "service.version": __version__,
        **config.resource_attributes,
        "service.instance.id": instance_id,
    }


def intervals(config: Config) -> dict[Endpoint, float]:
    """The poll interval, in seconds, of every endpoint that is enabled."""
    enabled = {Endpoint.ACCOUNT: config.poll.account}
    if config.usage.enabled:
        enabled[Endpoint.USAGE] = config.poll.usage
    if config.transactions.enabled:
        enabled[Endpoint.TRANSACTIONS] = config.poll.transactions
    if config.keys.enabled:
        enabled[Endpoint.KEYS] = config.poll.keys
    return enabled


def connect(config: Config) -> HttpClient:
    """The HTTP client for the gateway. Raises ConfigError where the environment spoils it."""
    urls = [account.base_url for account in config.accounts]
    secure = any(url.lower().startswith("https:") for url in urls)
    try:
        return open_http(config.gateway.timeout, secure=secure)
    except Exception as error:  # of ssl, httpx or what it uses; its text may hold a password
        reason = error.strerror if isinstance(error, OSError) else None
        raise ConfigError(
            (
                "environment: what it says of TLS or proxies cannot be used "
                f"({reason or type(error).__name__}); check SSL_CERT_FILE, SSL_CERT_DIR, "
                "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY",
            )
        ) from None


async def in_turn(
    work: Callable[[Item], Awaitable[list[Result]]], items: Iterable[Item]
) -> list[Result]:
    """All that `work` gives for the items, some of them at once."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(item: Item) -> list[Result]:
        async with turns:
            return await work(item)

    found = await asyncio.gather(*map(one, items))
    return [result for results in found for result in results]


@dataclass(eq=False)
class Runtime:
    """Everything that one configuration sets in motion: `open`, then `take_over`, then `start`.

    All but `config` outlives a reload. Making one touches nothing yet; it raises ConfigError.
    """

    _config: Config
    _live: Live
    _store: Store
    _worker: Worker
    _clock: InterruptibleClock
    _throttle: Throttle
    _environ: Mapping[str, str]

    def __post_init__(self) -> None:
        usage = self._config.usage
        rules = Rules(
            usage.settle_window, usage.max_series, self._config.runway.window, usage.start.instant
        )
        self.ledger = Ledger(self._store, rules)
        self._http = connect(self._config)
        self.exports = self._export_loop()
        self._pollers: list[AccountPoller] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._polled: Mapping[str, Mapping[str, int]] = {}
        self.idle = asyncio.Event()
        """Set once `stop` has ended every poll."""

    async def open(self) -> None:
        """Make the accounts known to the ledger.

        Raises StateError; nothing has changed then, and nothing is left open.
        """
        names = [account.name for account in self._config.accounts]
        try:
            await self._worker.do(self.ledger.open_accounts, names)
            self._polled = await self._worker.do(self.ledger.polled)
        except BaseException:  # a stop too
            await self.retire()
            raise

    def take_over(self) -> None:
        """From now on `live` shows what this configuration has.

        Accounts stand in their order there; those that stay keep what was read of them.
        """
        self._live.tap.observing = self._config.tap.enabled
        self._live.tap.hooked = takes_deliveries(self._config)
        before = dict(self._live.accounts)
        self._live.accounts.clear()
        for account in self._config.accounts:
            live = LiveAccount.after(
                before.get(account.name), account.name, intervals(self._config)
            )
            if account.name not in before:
                polled = self._polled.get(account.name, {})
                live.held_back = {e: polled[e] for e in live.endpoints if e in polled}
            self._live.accounts[account.name] = live
        self._pollers = [self._poller(account) for account in self._config.accounts]

    def _poller(self, account: Account) -> AccountPoller:
        live = self._live.accounts[account.name]

        def observe(envelope: Envelope) -> None:
            live.observe(envelope)
            headers = [QUOTA_HEADERS[member] for member in envelope.unreadable]
            warn_unreadable(self._throttle, live.name, f"key {envelope.key_id}", headers)

        client = GatewayClient(
            self._http,
            account,
            self._config.gateway,
            self._config.usage,
            self._clock,
            observe,
            self._environ,
        )
        live.own_key = client.masked_key
        return AccountPoller(
            self._live, live, client, self.ledger, self._worker, self._clock, self._throttle
        )

    def start(self) -> None:
        for number, poller in enumerate(self._pollers):
            for endpoint in poller.endpoints:
                self._keep(partial(poller.run, endpoint, number * SPREAD))
        if self.exports is not None:
            self._keep(partial(self._export, self.exports))

    async def stop(self) -> None:
        """Stop polling. What was committed stays; an export under way goes on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self.idle.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_HTTP):
                await self._http.aclose()

    async def retire(self) -> None:
        """Stop, and close when the export under way has ended; another runtime takes over."""
        await self.stop()
        if self.exports is not None:
            await self.exports.retire()

    async def poll_once(self) -> list[PollError]:
        """One round of polls of every account; gives what went wrong."""
        return await in_turn(AccountPoller.poll_once, self._pollers)

    def _export_loop(self) -> ExportLoop | None:
        otlp = self._config.otlp
        if not otlp.endpoint:
            return None
        # The SDK takes 6 MiB and a quarter of the start: only where something is sent.
        from exporter.export_loop import ExportLoop  # noqa: PLC0415
        from exporter.otlp import OtlpExporter  # noqa: PLC0415

        exporter = OtlpExporter(otlp, resource(self._config, self._store.instance_id))
        live, worker, clock = self._live, self._worker, self._clock
        return ExportLoop(exporter, live, self.ledger, worker, clock, self._throttle, otlp.interval)

    async def _export(self, exports: ExportLoop) -> None:
        """Export for ever, first when every endpoint has answered, or will not soon."""
        deadline = self._clock.monotonic() + min(FIRST_POLLS, self._config.otlp.interval)
        while self._clock.monotonic() < deadline:
            if all(
                status.up is not None or status.behind is not None
                for account in self._live.accounts.values()
                for status in account.endpoints.values()
                if not status.optional
            ):
                break
            await self._clock.sleep(_LOOK)
        await exports.run()

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
                        RESTART,
                    )
                await self._clock.sleep(RESTART)

        self._tasks.append(asyncio.create_task(kept()))

"""Asks each endpoint of one account once, and notes what its answers tell."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from math import inf

from exporter.check.hints import Looks, Suspect, hints, written
from exporter.check.tried import Checked, Tried, Unit, without_address
from exporter.clock import Clock
from exporter.config.types import Account, Config
from exporter.errors import GatewayError, Outcome
from exporter.gateway.client import GatewayClient, HttpClient
from exporter.gateway.readings import (
    QUOTA_HEADERS,
    AccountReading,
    Endpoint,
    Envelope,
    KeysReading,
    LogPage,
    RollupReading,
)
from exporter.gateway.recognized import Exchanged
from exporter.ledger.credit_unit import Why, Witnesses, judge
from exporter.ledger.owners import identity_of, wallet_of
from exporter.live import LiveAccount
from exporter.money import to_usd
from exporter.runtime import intervals
from exporter.secrets import Secret
from exporter.web.formats import plural

_HOUR = 3600.0
_DAY = 86_400.0

_under_way: ContextVar[list[Exchanged]] = ContextVar("_under_way")
"""The requests of the endpoint that is being tried: several are, at the same time."""

Wallet = tuple[str, tuple[str, str | Secret], str | None]
"""An account by its name, which wallet it is, and of which user."""


@dataclass(eq=False)
class Asking:
    """One account that is being checked."""

    account: Account
    config: Config
    http: HttpClient
    clock: Clock
    environ: Mapping[str, str]
    wallets: list[Wallet]
    looks: Looks
    """Both are shared by all accounts, and this one is added."""

    reading: AccountReading | None = None
    keys_listed: int | None = None
    unit: Unit | None = None
    errors: list[GatewayError] = field(default_factory=list)

    def __post_init__(self) -> None:
        config = self.config
        self.live = LiveAccount(self.account.name, intervals(config))
        self.unreadable: dict[str, None] = {}
        self.client = GatewayClient(
            self.http,
            self.account,
            config.gateway,
            config.usage,
            self.clock,
            self._observe,
            self.environ,
        )
        self.client.watch(lambda exchanged: _under_way.get().append(exchanged))

    def _observe(self, envelope: Envelope) -> None:
        self.live.observe(envelope)
        names = (QUOTA_HEADERS[member] for member in envelope.unreadable)
        self.unreadable.update(dict.fromkeys(names))

    async def all(self) -> Checked:
        """Try everything, and look for what can be done about what does not work."""
        tried = await asyncio.gather(*map(self.one, intervals(self.config)))
        reading, left = self.reading, self.live.organization_left(self.clock.now())
        suspect = Suspect(
            self.account.base_url,
            tuple(self.errors),
            written(self.account, self.environ),
            self.keys_listed,
            self.environ,
        )
        return Checked(
            self.account.name,
            self.account.base_url,
            tuple(tried),
            self.client.recognized,
            reading,
            None if reading is None else without_address(wallet_of(reading)),
            None if reading is None else reading.paid_by_organization(left is not None),
            self.client.gateway_clock.offset(),
            self.keys_listed,
            self.unit,
            hints=await hints(suspect, self.looks),
        )

    async def one(self, endpoint: Endpoint) -> Tried:
        """Try one endpoint."""
        exchanges: list[Exchanged] = []
        _under_way.set(exchanges)
        tried = partial(Tried, self.account.name, endpoint)
        try:
            said = await self._said(endpoint)
        except GatewayError as error:
            outcome = error.outcome
            if endpoint is Endpoint.KEYS:  # it may be refused: only what it tells is missing then
                said = f"no list of keys ({outcome}): names, caps and expiry are missing"
                return tried(True, said, outcome=outcome, exchanges=tuple(exchanges))
            self.errors.append(error)
            said = f"{outcome}: {error}"
            return tried(False, said, outcome=outcome, exchanges=tuple(exchanges))
        return tried(True, said, outcome=Outcome.SUCCESS, exchanges=tuple(exchanges))

    async def _said(self, endpoint: Endpoint) -> str:
        """What the endpoint said, in a few words. Raises GatewayError."""
        now, client = self.clock.now(), self.client
        if endpoint is Endpoint.ACCOUNT:
            return await self._account()
        if endpoint is Endpoint.USAGE:
            async for page in client.usage(now - _HOUR, now + _HOUR):
                self.unit = await self._unit_of(page)
                return _describe_usage(page)
        if endpoint is Endpoint.KEYS:
            listed = await client.keys()
            self.keys_listed = len(listed.keys)
            return _describe_keys(listed)
        async for items in client.transactions(now - 90 * _DAY, now + _HOUR):
            if items.items:
                newest = max(items.items, key=lambda item: item.created_at)
                when = datetime.fromtimestamp(newest.created_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
                return f"newest is a {newest.kind} of {_usd(newest.amount)}, {when}"
        return "none in the last 90 days"

    async def _unit_of(self, page: LogPage | RollupReading) -> Unit:
        """In what the newest answer says what usage cost."""
        if isinstance(page, RollupReading):
            return Unit(None, "total_usd says so")
        members = _under_way.get()[-1].members
        if any(name.endswith("[].actual_cost") for name in members):
            return Unit(None, "actual_cost says what was charged")
        configured = self.config.usage.credits_per_usd
        if configured is not None:
            return Unit(configured, str(Why.CONFIGURED))
        witnesses = Witnesses().with_rows(page.rows, inf)
        now = self.clock.now()
        told = judge(witnesses)
        if told is None and any(row.credits is not None for row in page.rows):
            beside = await self.client.rollup_beside(now - _HOUR, now + _HOUR)
            told = judge(witnesses.with_rollup(beside))
        if told is None:
            return Unit(None, "these rows do not tell it, and run waits until others do", False)
        return Unit(told[0], str(told[1]))

    async def _account(self) -> str:
        key = self.client.key()
        self.reading = reading = await self.client.account(key)
        whose = identity_of(reading, self.client.address, key)
        self.wallets.append((self.account.name, whose, reading.user_id))
        left = self.live.organization_left(self.clock.now())
        bad = (*reading.unreadable, *self.unreadable)
        said = _describe_account(reading, key.masked(), left)
        return said + (f"; cannot be read: {', '.join(bad)}" if bad else "")


def _usd(nanos: int) -> str:
    return f"{to_usd(nanos):,.2f} USD"


def _describe_account(reading: AccountReading, key: str | None, organization: int | None) -> str:
    """`organization`: what its organization has left (nano-USD), None where that is not told."""
    left = reading.available
    words = [f"key {key}", "balance not given" if left is None else f"{_usd(left)} left"]
    if reading.low_balance_threshold is not None:
        words.append(f"threshold {_usd(reading.low_balance_threshold)}")
    if reading.organization is not None:
        words.append(f"organization {without_address(reading.organization.name)!r}")
    if organization is not None:
        words.append(f"{_usd(organization)} left in the organization's wallet")
    if reading.paid_by_organization(organization is not None):
        words.append("which pays" if organization is not None else "which pays and is not told of")
    return ", ".join(words)


def _describe_keys(reading: KeysReading) -> str:
    said = f"{plural(len(reading.keys), 'key')} listed{'' if reading.complete else ', and more'}"
    dates = [key.limits.expires_at for key in reading.keys if key.limits.expires_at is not None]
    if dates:
        first = datetime.fromtimestamp(min(dates), UTC).strftime("%Y-%m-%d %H:%M UTC")
        said += f", the first to expire does so {first}"
    return said


def _describe_usage(page: LogPage | RollupReading) -> str:
    if isinstance(page, RollupReading):
        said = f"the gateway gives the rollup: {plural(len(page.buckets), 'bucket')}"
    else:
        more = "" if page.last else " or more"
        said = f"the gateway gives the log: {plural(len(page.rows), 'row')}{more}"
    said += " in the last hour"
    if page.rejected:
        first = page.rejected[0]
        said += f"; {len(page.rejected)} not understood, first {first.row_id}: {first.reason}"
    return said

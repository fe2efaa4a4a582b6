"""The newest readings of every account and the health of every poll and export.

Lives in memory only and starts anew with the process. Written by the poller and the export
loop, read by the snapshot and the status page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from exporter.gateway.readings import (
    AccountReading,
    Endpoint,
    Envelope,
    KeysReading,
    Rejected,
    Stage,
    Transaction,
)
from exporter.gateway.recognized import Recognized, UsageForm
from exporter.secrets import Secret
from exporter.status import EndpointStatus, ExportStatus, RowOutcome, is_stale
from exporter.throttle import Crowd, Throttle
from exporter.traffic import TapStatus, Traffic

CLOCK_SET_BACK = 60.0
"""An envelope this many seconds older than the last is no late answer: the clock was set back."""

UNREADABLE = 10
"""Unreadable numbers of one account that are warned of in ten minutes."""

_REJECTED = 10_000
"""Rejected rows of one endpoint that are remembered."""

_FAILED_KINDS = 100
"""Kinds of movements of which a failure is remembered."""


def warn_unreadable(throttle: Throttle, account: str, of: str, names: Iterable[str]) -> None:
    """Say once of each of these numbers and flags that it was there and could not be read.

    `of`: whose they are, such as a key. What they hold is not told: it may be anything.
    """
    further = "Account %s: more of what the gateway says cannot be read"
    crowd = Crowd(("unreadable", account), UNREADABLE, further, (account,))
    for name in names:
        throttle.once(
            ("unreadable", account, of, name),
            "Account %s: %s of %s cannot be read, and what it tells is unknown: "
            "a plain number such as 12.50 was expected, whole Unix seconds, or true or false",
            account,
            name,
            of,
            crowd=crowd,
        )


class Sample(msgspec.Struct, frozen=True):
    """One number of an envelope and when it was observed (Unix seconds)."""

    value: float
    observed_at: float


@dataclass(slots=True)
class KeyReadings:
    """The envelope of one key, number by number: a response that lacks a header leaves it be.

    Money in nano-USD, `reset_at` in Unix seconds.
    """

    limit: Sample | None = None
    remaining: Sample | None = None
    reset_at: Sample | None = None
    key_quota_remaining: Sample | None = None
    org_quota_remaining: Sample | None = None

    def observe(self, envelope: Envelope) -> None:
        """Take over what the envelope says, unless something newer is known.

        What it says and cannot be read is unknown from now on.
        """
        at = envelope.observed_at
        for name in self.__slots__:
            value = getattr(envelope, name)
            known: Sample | None = getattr(self, name)
            late = known is not None and 0 < known.observed_at - at < CLOCK_SET_BACK
            if late:
                continue
            if value is not None:
                setattr(self, name, Sample(value, at))
            elif name in envelope.unreadable:
                setattr(self, name, None)


class LiveAccount:
    """Newest readings of one account.

    `own_key` is the masked form of the key that polls, None while it cannot be read. `interval` is
    `poll.account` in seconds, by which envelopes are judged. `rejected` holds the ids of rows that
    could not be understood, so that each is logged and counted once, however often it comes.
    `wallet` tells from which wallet the newest reading is: the gateway's address, and who pays
    there, or the key where the gateway does not say whose it is.

    `held_back`: what usage or transactions have counted is held back until a poll is complete that
    began at another time (Unix ns) than this. After an older state file was put back, totals would
    be lower than what was sent before.
    `listed`: the newest list of the account's keys, None while it never answered.
    `failures`: when (Unix s) the newest movement of each kind was made that failed.
    `recognized`: how the gateway answers. `clock_offset`: the gateway's clock less ours, in
    seconds; None while it is not known.
    """

    def __init__(self, name: str, endpoints: dict[Endpoint, float]) -> None:
        """`endpoints`: each enabled endpoint and its poll interval in seconds."""
        self.name = name
        self.own_key: str | None = None
        self.wallet: tuple[str, str | Secret] | None = None
        self.held_back: dict[Endpoint, int] = {}
        self.clock_offset: float | None = None
        self.recognized = Recognized()
        self.interval = endpoints.get(Endpoint.ACCOUNT, 0.0)
        self.traffic = Traffic()
        self.endpoints = {
            endpoint: EndpointStatus(seconds, optional=endpoint is Endpoint.KEYS)
            for endpoint, seconds in endpoints.items()
        }
        self.listed: KeysReading | None = None
        self.account: AccountReading | None = None
        self.keys: dict[str, KeyReadings] = {}
        self.failures: dict[str, float] = {}
        self.rows: dict[RowOutcome, int] = dict.fromkeys(RowOutcome, 0)
        self.rejected: dict[Endpoint, dict[str, None]] = {endpoint: {} for endpoint in Endpoint}

    @classmethod
    def after(
        cls, before: LiveAccount | None, name: str, endpoints: dict[Endpoint, float]
    ) -> LiveAccount:
        """The account with other poll intervals, and all that was read of it `before`."""
        account = cls(name, endpoints)
        if before is not None:
            account.account, account.keys = before.account, before.keys
            account.rows, account.rejected = before.rows, before.rejected
            account.failures = before.failures
            account.traffic, account.clock_offset = before.traffic, before.clock_offset
            account.wallet, account.held_back = before.wallet, before.held_back
            account.recognized = before.recognized
            account.listed = before.listed if Endpoint.KEYS in endpoints else None
            for endpoint in endpoints.keys() & before.endpoints.keys():
                account.endpoints[endpoint] = before.endpoints[endpoint]
                account.endpoints[endpoint].interval = endpoints[endpoint]
        return account

    def recognize(self, found: Recognized) -> UsageForm | None:
        """Take over what was recognized; gives how usage is read if that is new, or another way."""
        before, usage = self.recognized.usage, found.usage
        self.recognized = Recognized(
            usage or before, found.transactions or self.recognized.transactions
        )
        if usage is None:
            return None
        same = before is not None and (before.path, before.shape) == (usage.path, usage.shape)
        return None if same else usage

    def begin_anew(self) -> None:
        """The name stands for another wallet now: forget what was read of the old one."""
        self.account, self.keys, self.held_back, self.listed = None, {}, {}, None
        self.failures = {}
        self.rejected = {endpoint: {} for endpoint in Endpoint}

    def newly_rejected(self, endpoint: Endpoint, rows: Iterable[Rejected]) -> list[Rejected]:
        """Those of the rows that did not come before; from now on they did."""
        known = self.rejected[endpoint]
        fresh = {row.row_id: row for row in rows if row.row_id not in known}
        known.update(dict.fromkeys(fresh))
        while len(known) > _REJECTED:
            del known[next(iter(known))]
        return list(fresh.values())

    def note_failures(self, items: Iterable[Transaction]) -> None:
        """Remember the movements that failed."""
        for item in items:
            if item.stage is Stage.FAILED and len(self.failures) < _FAILED_KINDS:
                newest = max(item.created_at, self.failures.get(item.kind, 0.0))
                self.failures[item.kind] = newest

    @property
    def user_id(self) -> str | None:
        return self.account.user_id if self.account is not None else None

    def ask(self, *endpoints: Endpoint) -> None:
        """Have these polled now, as far as they are polled at all."""
        for endpoint in endpoints:
            if endpoint in self.endpoints:
                self.endpoints[endpoint].asked.set()

    def keys_listed(self, now: float) -> KeysReading | None:
        """The newest list of the account's keys; None where it is stale at `now` (Unix s)."""
        status = self.endpoints.get(Endpoint.KEYS)
        if status is None or self.listed is None:
            return None
        return None if is_stale(self.listed.observed_at, status.interval, now) else self.listed

    @property
    def organization_balance(self) -> Sample | None:
        """What is left in the organization's wallet, whichever key read it last."""
        known = [key.org_quota_remaining for key in self.keys.values() if key.org_quota_remaining]
        return max(known, key=lambda sample: sample.observed_at, default=None)

    def organization_left(self, now: float) -> int | None:
        """The same in nano-USD, None where it is unknown at `now` (Unix s)."""
        told = self.organization_balance
        if told is None or is_stale(told.observed_at, self.interval, now):
            return None
        return int(told.value)

    def observe(self, envelope: Envelope) -> None:
        """Take over an envelope, whatever the status of the response that carried it."""
        self.keys.setdefault(envelope.key_id, KeyReadings()).observe(envelope)


class SharedWallet(msgspec.Struct, frozen=True):
    """The names of accounts that one wallet pays for; `whose` it is, or the key that reads it.

    `doubles`: they are of one user, so that all of it shows under each name. Otherwise they are
    members of an organization, whose spending differs.
    """

    whose: str | Secret
    names: tuple[str, ...]
    doubles: bool


def shared_wallets(
    accounts: Iterable[tuple[str, tuple[str, str | Secret], str | None]],
) -> Iterator[SharedWallet]:
    """Each wallet that several accounts have, by their names, wallets and user ids."""
    wallets: dict[tuple[str, str | Secret], dict[str | None, list[str]]] = {}
    for name, wallet, user in accounts:
        wallets.setdefault(wallet, {}).setdefault(user, []).append(name)
    for (_, whose), users in wallets.items():
        for names in users.values():
            if len(names) > 1:
                yield SharedWallet(whose, tuple(names), doubles=True)
        if len(users) > 1:
            members = tuple(names[0] for names in users.values())
            yield SharedWallet(whose, members, doubles=False)


@dataclass(slots=True, eq=False)
class Live:
    started_at: float
    accounts: dict[str, LiveAccount] = field(default_factory=dict)
    exports: ExportStatus = field(default_factory=ExportStatus)
    tap: TapStatus = field(default_factory=TapStatus)
    state_writable: bool = True
    state_error: str | None = None

    def shared_wallets(self) -> Iterator[SharedWallet]:
        """See `shared_wallets`; of those whose wallet is known."""
        return shared_wallets(
            (name, account.wallet, account.user_id)
            for name, account in self.accounts.items()
            if account.wallet is not None
        )

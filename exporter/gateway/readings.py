"""Typed answers of the gateway. No I/O, no OpenTelemetry.

Money is in nano-USD (see `exporter.money`), instants are Unix seconds. None means that the
gateway did not say, or said something that cannot be true: unknown, never zero.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

AHEAD = 3600.0
"""How far the gateway's clock and ours may differ, in seconds, without hiding or closing a row."""


class Endpoint(StrEnum):
    """What is polled: the values of `bytespike.endpoint`."""

    ACCOUNT = "account"
    USAGE = "usage"
    TRANSACTIONS = "transactions"
    KEYS = "keys"


class UsageShape(StrEnum):
    """Which of its documented forms `/me/usage` answered in; days: a rollup without hours."""

    LOG = "log"
    ROLLUP = "rollup"
    DAYS = "days"


QUOTA_HEADERS = {
    "limit": "x-ratelimit-limit",
    "remaining": "x-ratelimit-remaining",
    "reset_at": "x-ratelimit-reset",
    "key_quota_remaining": "x-quota-remaining-credits",
    "org_quota_remaining": "x-org-quota-remaining-credits",
}
"""The headers of the envelope, by the members that hold what they say."""


class Envelope(msgspec.Struct, frozen=True):
    """The five quota headers of one response. The headers say "Credits" and carry USD.

    `key_id` is the masked form of the key that asked. `reset_at` is in Unix seconds. What is left
    may be negative: overdrawn. `unreadable`: members whose headers were there and said nothing.
    """

    observed_at: float
    key_id: str
    limit: int | None = None
    remaining: int | None = None
    reset_at: float | None = None
    key_quota_remaining: int | None = None
    org_quota_remaining: int | None = None
    unreadable: tuple[str, ...] = ()


class Source(StrEnum):
    """Who saw a response on an application's own traffic: the values of `bytespike.source`."""

    HOOK = "hook"
    PROXY = "proxy"
    LOG = "log"


class Observation(msgspec.Struct, frozen=True):
    """One response of the gateway to an application: what its status and headers said.

    `model` is the one that the response names, None where it names none.
    """

    source: Source
    status: int
    envelope: Envelope
    model: str | None = None


class ModelQuota(msgspec.Struct, frozen=True):
    """Lifetime spend on one model and its cap; `cap` None = uncapped, `used` None = unknown."""

    model: str
    used: int | None
    cap: int | None


class Organization(msgspec.Struct, frozen=True):
    id: str
    name: str
    role: str


class AccountReading(msgspec.Struct, frozen=True):
    """One answer of `GET /me/account`. Lifetime amounts never go down at the gateway.

    `key_limits` are those of the key that asked, where it is its own account that was read.
    `unreadable` names what was there and could not be read, such as `balance.available_usd`.
    """

    observed_at: float
    user_id: str | None = None
    created_at: float | None = None
    tier: str | None = None
    available: int | None = None
    lifetime_topup: int | None = None
    lifetime_spent: int | None = None
    low_balance_threshold: int | None = None
    low_balance_flagged: bool | None = None
    models: tuple[ModelQuota, ...] = ()
    organization: Organization | None = None
    key_limits: KeyLimits | None = None
    unreadable: tuple[str, ...] = ()

    def paid_by_organization(self, told: bool) -> bool:
        """Whether calls are paid from the organization's wallet, and not from the user's own.

        `told`: the organization's balance is known, which says so where the tier is not told.
        """
        return self.tier == "enterprise" or (self.tier is None and told)


class KeyRef(msgspec.Struct, frozen=True):
    """How a usage row or bucket names its key: whatever of the three it gave."""

    gateway_id: str | None = None
    masked: str | None = None
    name: str | None = None


class KeyWindow(StrEnum):
    """What the spend of a key is limited in: the values of `bytespike.window`."""

    FIVE_HOURS = "5h"
    DAY = "1d"
    WEEK = "7d"
    LIFETIME = "lifetime"


class WindowReading(msgspec.Struct, frozen=True):
    """One window of a key. `limit` 0 = unlimited; `reset_at` in Unix seconds."""

    window: KeyWindow
    limit: int | None = None
    used: int | None = None
    reset_at: float | None = None


class KeyLimits(msgspec.Struct, frozen=True):
    """What a key may spend and has spent, window by window, and when it expires (Unix s)."""

    windows: tuple[WindowReading, ...] = ()
    expires_at: float | None = None


class ListedKey(msgspec.Struct, frozen=True):
    """One key of the account, as the list of its keys has it."""

    key: KeyRef
    limits: KeyLimits = KeyLimits()
    unreadable: tuple[str, ...] = ()

    @property
    def shown_id(self) -> str:
        return self.key.masked or self.key.gateway_id or self.key.name or "unknown"


class KeysReading(msgspec.Struct, frozen=True):
    """The account's keys. `complete`: no key is known to be missing from it."""

    observed_at: float
    keys: tuple[ListedKey, ...] = ()
    complete: bool = True


class UsageRow(msgspec.Struct, frozen=True, gc=False):
    """One billed call, from the log.

    `credits`: how many it cost, as long as it is not known how many make one USD. Until then the
    row waits, and `cost` says nothing.
    """

    request_id: str
    created_at: float
    model: str
    key: KeyRef
    cost: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int | None = None
    cache_creation_tokens: int | None = None
    credits: int | Decimal | None = None

    @property
    def tells_caches(self) -> bool:
        return self.cache_read_tokens is not None or self.cache_creation_tokens is not None

    @property
    def ident(self) -> str:
        return self.request_id


class UsageBucket(msgspec.Struct, frozen=True, gc=False):
    """What one hour of one key and model has cost so far, from the rollup.

    `hour` is the Unix second at which the hour begins; the day, where a gateway knows no hours.
    """

    hour: int
    model: str
    key: KeyRef
    cost: int
    input_tokens: int
    output_tokens: int
    calls: int


class Rejected(msgspec.Struct, frozen=True):
    """One row that could not be understood. `row_id` is its id, or its place in the page."""

    row_id: str
    reason: str


class LogPage(msgspec.Struct, frozen=True):
    """Rows of the log, newest first. `last` ends the asked range.

    A gateway that ignores the range gives others too.
    """

    rows: tuple[UsageRow, ...]
    rejected: tuple[Rejected, ...]
    last: bool


class RollupReading(msgspec.Struct, frozen=True):
    """Every bucket of the asked range; of these models alone, if `models` is not None.

    `days`: each bucket is of a day. `last` ends the asked range.
    """

    buckets: tuple[UsageBucket, ...]
    rejected: tuple[Rejected, ...]
    models: frozenset[str] | None = None
    days: bool = False
    last: bool = True

    def covers(self, model: str) -> bool:
        """Whether a bucket of the model would be in the reading."""
        return self.models is None or model in self.models


class Stage(StrEnum):
    """How far a wallet movement is: announced ones become good or fail later."""

    GOOD = "good"
    PENDING = "pending"
    FAILED = "failed"


class Transaction(msgspec.Struct, frozen=True):
    """One wallet movement that was not an API call. `amount` is signed nano-USD.

    It is money only at `Stage.GOOD`. `balance_after`: what the wallet held right after it.
    """

    id: str
    created_at: float
    kind: str
    amount: int
    stage: Stage = Stage.GOOD
    balance_after: int | None = None

    @property
    def ident(self) -> str:
        return self.id


class TransactionsPage(msgspec.Struct, frozen=True):
    """Transactions, newest first. `last` ends the asked range, as in `LogPage`."""

    items: tuple[Transaction, ...]
    rejected: tuple[Rejected, ...]
    last: bool

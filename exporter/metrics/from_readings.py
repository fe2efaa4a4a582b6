"""Gauges that show what the gateway said: the account reading and the envelopes.

A number shows for three poll intervals after it was read, and not a moment longer.
"""

from __future__ import annotations

from exporter.gateway.readings import AccountReading, Endpoint, ModelQuota
from exporter.live import KeyReadings, LiveAccount, Sample
from exporter.metrics import catalogue as c
from exporter.metrics.from_keys import uncapped
from exporter.metrics.points import Draft
from exporter.status import is_stale


def account_reading(account: LiveAccount, now: float) -> AccountReading | None:
    """The newest account reading, None if there is none or it is stale at `now` (Unix s)."""
    status = account.endpoints.get(Endpoint.ACCOUNT)
    reading = account.account
    if status is None or reading is None or status.stale(now):
        return None
    return None if is_stale(reading.observed_at, status.interval, now) else reading


def add(draft: Draft, account: LiveAccount) -> None:
    """Add every gauge that the account's newest readings support."""
    reading = account_reading(account, draft.now)
    if reading is not None:
        _account(draft, account.name, reading)
        if account.wallet is not None:
            draft.gauge(c.GATEWAY_INFO, (account.name, account.wallet[0]), 1)
    _envelopes(draft, account)


def _account(draft: Draft, name: str, reading: AccountReading) -> None:
    """Wallet, owner, and model caps; a model that is listed twice counts as it stands first."""
    draft.money(c.WALLET_BALANCE, (name,), reading.available)
    draft.money(c.WALLET_THRESHOLD, (name,), reading.low_balance_threshold)
    if reading.low_balance_flagged is not None:
        draft.gauge(c.WALLET_LOW, (name,), int(reading.low_balance_flagged))
    org = reading.organization
    whose = (org.id, org.name, org.role) if org else (None, None, None)
    draft.gauge(c.ACCOUNT_INFO, (name, reading.user_id, reading.tier, *whose), 1)
    first: dict[str, ModelQuota] = {}
    for quota in reading.models:
        first.setdefault(quota.model, quota)
    for model, quota in first.items():
        draft.money(c.QUOTA_USAGE, (name, model), quota.used)
        draft.money(c.QUOTA_LIMIT, (name, model), quota.cap)
        if quota.used is not None and quota.cap is not None and quota.cap > 0:
            draft.gauge(c.QUOTA_UTILIZATION, (name, model), quota.used / quota.cap)


def _envelopes(draft: Draft, account: LiveAccount) -> None:
    """The quota headers, each number stale by its own age.

    Any response refreshes them. What is sure to be asked is the account endpoint, which cannot be
    turned off, so three of its intervals are the limit: a longer one would show numbers that three
    account polls did not confirm, a shorter one would let them vanish between two polls.
    """
    without_cap = uncapped(account, draft.now)
    for key_id, key in account.keys.items():
        _key(draft, (account.name, key_id), key, account.interval, key_id not in without_cap)
    left = account.organization_left(draft.now)
    draft.money(c.ORGANIZATION_BALANCE, (account.name,), left)


def _key(
    draft: Draft, attributes: tuple[str, str], key: KeyReadings, interval: float, capped: bool
) -> None:
    now = draft.now
    reset = _known(key.reset_at, interval, now)
    remaining = _known(key.remaining, interval, now)
    if reset is not None and reset.value <= now:
        if remaining is not None and remaining.observed_at < reset.value:
            remaining = None
        reset = None
    draft.money(c.RATE_LIMIT, attributes, _nanos(_known(key.limit, interval, now)))
    draft.money(c.RATE_REMAINING, attributes, _nanos(remaining))
    draft.gauge(c.RATE_RESET, attributes, reset.value if reset else None)
    quota = _known(key.key_quota_remaining, interval, now) if capped else None
    draft.money(c.KEY_REMAINING, attributes, _nanos(quota))


def _known(reading: Sample | None, interval: float, now: float) -> Sample | None:
    if reading is None or is_stale(reading.observed_at, interval, now):
        return None
    return reading


def _nanos(reading: Sample | None) -> int | None:
    return None if reading is None else int(reading.value)

"""Gauges that show what the gateway said: the account reading and the envelopes.

A number shows for three poll intervals after it was read, and not a moment longer.
"""

from __future__ import annotations

from exporter.gateway.readings import AccountReading, Endpoint, ModelQuota
from exporter.live import KeyReadings, LiveAccount, Sample, is_stale
from exporter.metrics import catalogue as c
from exporter.metrics.points import Draft


def account_reading(account: LiveAccount, now: float) -> AccountReading | None:
    """The newest account reading, None if there is none or it is stale at `now` (Unix s)."""
    status = account.endpoints.get(Endpoint.ACCOUNT)
    reading = account.account
    if status is None or reading is None or status.stale(now):
        return None
    return None if status.outdated(reading.observed_at, now) else reading


def add(draft: Draft, account: LiveAccount) -> None:
    """Add every gauge that the account's newest readings support."""
    reading = account_reading(account, draft.now)
    if reading is not None:
        _wallet(draft, (account.name,), reading)
        _info(draft, account.name, reading)
        _quotas(draft, account.name, reading.models)
    _envelopes(draft, account)


def _wallet(draft: Draft, attributes: tuple[str], reading: AccountReading) -> None:
    draft.money(c.WALLET_BALANCE, attributes, reading.available)
    draft.money(c.WALLET_THRESHOLD, attributes, reading.low_balance_threshold)
    if reading.low_balance_flagged is not None:
        draft.gauge(c.WALLET_LOW, attributes, int(reading.low_balance_flagged))


def _info(draft: Draft, name: str, reading: AccountReading) -> None:
    org = reading.organization
    whose = (org.id, org.name, org.role) if org else (None, None, None)
    draft.gauge(c.ACCOUNT_INFO, (name, reading.tier, *whose), 1)


def _quotas(draft: Draft, name: str, models: tuple[ModelQuota, ...]) -> None:
    """A model that is listed twice counts as it stands first."""
    first: dict[str, ModelQuota] = {}
    for quota in models:
        first.setdefault(quota.model, quota)
    for quota in first.values():
        attributes = (name, quota.model)
        draft.money(c.QUOTA_USAGE, attributes, quota.used)
        draft.money(c.QUOTA_LIMIT, attributes, quota.cap)
        draft.gauge(c.QUOTA_UTILIZATION, attributes, _utilization(quota))


def _utilization(quota: ModelQuota) -> float | None:
    """Share of the cap that is spent. There is no share of a cap of 0: None, as where uncapped."""
    if quota.used is None or quota.cap is None or quota.cap <= 0:
        return None
    return quota.used / quota.cap


def _envelopes(draft: Draft, account: LiveAccount) -> None:
    """The quota headers, each number stale by its own age.

    Any response refreshes them. What is sure to be asked is the account endpoint, which cannot be
    turned off, so three of its intervals are the limit: a longer one would show numbers that three
    account polls did not confirm, a shorter one would let them vanish between two polls.
    """
    for key_id, key in account.keys.items():
        _key(draft, (account.name, key_id), key, account.interval)
    wallet = _known(account.organization_balance, account.interval, draft.now)
    draft.money(c.ORGANIZATION_BALANCE, (account.name,), _nanos(wallet))


def _key(draft: Draft, attributes: tuple[str, str], key: KeyReadings, interval: float) -> None:
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
    quota = _known(key.key_quota_remaining, interval, now)
    draft.money(c.KEY_REMAINING, attributes, _nanos(quota))


def _known(reading: Sample | None, interval: float, now: float) -> Sample | None:
    if reading is None or is_stale(reading.observed_at, interval, now):
        return None
    return reading


def _nanos(reading: Sample | None) -> int | None:
    return None if reading is None else int(reading.value)

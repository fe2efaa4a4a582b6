"""How often the account is asked, given what the tap sees meanwhile."""

from __future__ import annotations

from exporter.errors import Outcome
from exporter.gateway.readings import Endpoint
from exporter.live import LiveAccount

NEAR = 2
"""A balance up to this many times its threshold is near it, and asked for at the usual pace."""


def wanted_interval(account: LiveAccount, now: float) -> float:
    """Seconds between two polls of the account, jitter aside, as things are at `now` (Unix s).

    Relaxed only where nothing is lost by it: the last poll worked, the tap saw the account's own
    key within the usual interval, and the balance is known to be far from its threshold.
    """
    if account.relaxed is None or account.relaxed <= account.interval:
        return account.interval
    status = account.endpoints[Endpoint.ACCOUNT]
    calm = status.last_outcome is Outcome.SUCCESS and _fresh(account, now) and not is_near(account)
    return account.relaxed if calm else account.interval


def is_near(account: LiveAccount) -> bool:
    """Whether the balance, less what was seen to be spent since it was read, is near its threshold.

    What is not known counts as near: then there is nothing to relax about.
    """
    reading = account.account
    if reading is None or reading.available is None or reading.low_balance_threshold is None:
        return True
    least = NEAR * reading.low_balance_threshold
    if reading.low_balance_flagged or reading.available - account.traffic.spent <= least:
        return True
    wallets = (key.org_quota_remaining for key in account.keys.values())
    newest = max(filter(None, wallets), key=lambda seen: seen.observed_at, default=None)
    return newest is not None and newest.value <= least


def _fresh(account: LiveAccount, now: float) -> bool:
    if account.own_key is None:
        return False
    seen = account.traffic.last_seen(account.own_key)
    return seen is not None and abs(now - seen) <= account.interval

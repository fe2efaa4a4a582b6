"""The key's own account at `/v1/usage` (contract §2, stock): its wallet, quota, windows and expiry.

What it tells of usage is of this key alone, so that lifetime spend of the wallet stays unknown.
"""

from __future__ import annotations

from typing import Final

from exporter.gateway.fields import instant, money, text
from exporter.gateway.jsontext import Json
from exporter.gateway.readings import (
    AccountReading,
    Envelope,
    KeyLimits,
    KeyWindow,
    WindowReading,
)

KEY_ACCOUNT_PATH: Final = "/v1/usage"

_TELLING: Final = frozenset({"mode", "isValid", "planName", "quota", "rate_limits"})
_ROLLING: Final = {one.value: one for one in KeyWindow if one is not KeyWindow.LIFETIME}


def is_key_account(answer: dict[str, Json]) -> bool:
    """Whether an answer has the members that only this one has."""
    return not answer.keys().isdisjoint(_TELLING) and "user" not in answer


def read_key_account(answer: dict[str, Json], now: float) -> AccountReading:
    """What the answer says, observed at `now` (Unix s)."""
    in_usd = (text(answer.get("unit")) or "USD") == "USD"
    unlimited = answer.get("mode") == "unrestricted" and answer.get("subscription") is None
    name = "remaining" if unlimited and answer.get("balance") is None else "balance"
    available = money(answer.get(name), signed=True)
    told = name == "balance" or unlimited
    unreadable = (name,) if available is None and answer.get(name) is not None else ()
    return AccountReading(
        observed_at=now,
        available=available if in_usd and told else None,
        key_limits=KeyLimits(_windows(answer), instant(answer.get("expires_at"))),
        unreadable=unreadable,
    )


def _windows(answer: dict[str, Json]) -> tuple[WindowReading, ...]:
    found: dict[KeyWindow, WindowReading] = {}
    limits = answer.get("rate_limits")
    for row in limits if isinstance(limits, list) else ():
        window = _ROLLING.get(text(row.get("window")) or "") if isinstance(row, dict) else None
        if window is not None and isinstance(row, dict):
            found.setdefault(window, _window(window, row))
    quota = answer.get("quota")
    if isinstance(quota, dict):
        found[KeyWindow.LIFETIME] = _window(KeyWindow.LIFETIME, quota)
    return tuple(found.values())


def _window(window: KeyWindow, row: dict[str, Json]) -> WindowReading:
    """`used` may be told by what remains."""
    limit, used = money(row.get("limit")), money(row.get("used"), signed=True)
    left = money(row.get("remaining"), signed=True)
    if used is None and limit is not None and left is not None:
        used = limit - left
    return WindowReading(window, limit, used, instant(row.get("reset_at")))


def envelope_of(limits: KeyLimits, key_id: str, now: float) -> Envelope | None:
    """What the quota headers of a key would say by its limits; None where it has none."""
    rolling: list[tuple[int, int, WindowReading]] = []
    cap: int | None = None
    for one in limits.windows:
        if not one.limit or one.used is None:
            continue
        if one.window is KeyWindow.LIFETIME:
            cap = one.limit - one.used
        else:
            rolling.append((one.limit - one.used, one.limit, one))
    if not rolling:
        return None if cap is None else Envelope(now, key_id, key_quota_remaining=cap)
    left, limit, tightest = min(rolling, key=lambda found: found[0])
    return Envelope(now, key_id, limit, left, tightest.reset_at, cap)

"""Keys: which there are, what each may spend and has spent, and when it expires.

What the list of keys says shows for three of its poll intervals. Two keys can share one masked
form: then what shows of a number is that of the one which it constrains most.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from exporter.gateway.readings import KeyRef, KeysReading, KeyWindow, ListedKey
from exporter.ledger.names import OTHER
from exporter.ledger.totals import UsageTotal
from exporter.live import LiveAccount
from exporter.metrics import catalogue as c
from exporter.metrics.points import Draft
from exporter.status import is_stale


def add(draft: Draft, account: LiveAccount, usage: Iterable[UsageTotal]) -> None:
    """Add every key that was seen, and what the list says; `usage` has what has counted."""
    listed = account.keys_listed(draft.now)
    _info(draft, account, listed, usage)
    expiries: dict[str, float] = {}
    spent: dict[tuple[str, KeyWindow], tuple[float, int | None, int | None]] = {}
    for key in (*(listed.keys if listed is not None else ()), *_own(account, draft.now)):
        if key.limits.expires_at is not None:
            known = expiries.get(key.shown_id, key.limits.expires_at)
            expiries[key.shown_id] = min(known, key.limits.expires_at)
        for window, share, limit, used in _windows(key, draft.now):
            found = spent.setdefault((key.shown_id, window), (share, limit, used))
            if share > found[0]:
                spent[key.shown_id, window] = share, limit, used
    for key_id, expires_at in expiries.items():
        draft.gauge(c.KEY_EXPIRY, (account.name, key_id), expires_at)
    for (key_id, window), (_, limit, used) in spent.items():
        draft.money(c.KEY_LIMIT, (account.name, key_id, window.value), limit or None)
        draft.money(c.KEY_USED, (account.name, key_id, window.value), used)


def _own(account: LiveAccount, now: float) -> Iterator[ListedKey]:
    """The key that polls, where the account that it read is its own."""
    reading, mask = account.account, account.own_key
    if reading is None or mask is None or reading.key_limits is None:
        return
    if not is_stale(reading.observed_at, account.interval, now):
        yield ListedKey(KeyRef(masked=mask), reading.key_limits)


def uncapped(account: LiveAccount, now: float) -> set[str]:
    """The keys without a lifetime cap: what a header says is left of one means nothing."""
    listed = account.keys_listed(now)
    caps: dict[str, list[int | None]] = {}
    for key in listed.keys if listed is not None else ():
        cap = [w.limit for w in key.limits.windows if w.window is KeyWindow.LIFETIME]
        caps.setdefault(key.shown_id, []).extend(cap or [None])
    return {key_id for key_id, limits in caps.items() if all(limit == 0 for limit in limits)}


def _windows(
    key: ListedKey, now: float
) -> Iterator[tuple[KeyWindow, float, int | None, int | None]]:
    """Each window: the share of its cap that is used, its cap, and what is used of it.

    What was used of a window that has reset since is unknown.
    """
    for one in key.limits.windows:
        used = one.used if one.reset_at is None or one.reset_at > now else None
        yield one.window, (used or 0) / one.limit if one.limit else 0.0, one.limit, used


def _info(
    draft: Draft, account: LiveAccount, listed: KeysReading | None, usage: Iterable[UsageTotal]
) -> None:
    """One point for each name under which a key shows."""
    known = listed.keys if listed is not None else ()
    ids = {key.shown_id for key in known} | {key.key.gateway_id for key in known}
    names = _counted_names(usage)
    for key_id, told in _listed_names(known).items():
        counted = names.setdefault(key_id, set())
        if counted <= {key_id}:
            names[key_id] = told
        elif len(counted) < len(told):  # keys of one form, of which only some have counted
            counted |= told
    for key_id in filter(None, (account.own_key, *account.traffic.seen)):
        names.setdefault(key_id, {key_id})
    for key_id, shown in names.items():
        there: str | None = None
        if listed is not None and (key_id in ids or listed.complete):
            there = "true" if key_id in ids else "false"
        for name in sorted(shown):
            draft.gauge(c.KEY_INFO, (account.name, key_id, name, there), 1)


def _counted_names(usage: Iterable[UsageTotal]) -> dict[str, set[str]]:
    """Under which names the keys count; a name that came later wins over none."""
    names: dict[str, set[str]] = {}
    for total in usage:
        if total.key_id != OTHER:
            names.setdefault(total.key_id, set()).add(total.key_name)
    return {id_: shown - {id_} if len(shown) > 1 else shown for id_, shown in names.items()}


def _listed_names(keys: Iterable[ListedKey]) -> dict[str, set[str]]:
    names: dict[str, set[str]] = {}
    for key in keys:
        names.setdefault(key.shown_id, set()).add(key.key.name or key.shown_id)
    return names

"""The list of the account's keys (contract §5): names, caps, what is used of them, expiry.

A gateway may give its keys in full. Each is masked before anything else is read of its row.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec

from exporter.errors import RefusedParameterError
from exporter.gateway.dialects import read_answer, unknown
from exporter.gateway.fields import identifier, instant, is_day, key_name, masked_key, money, number
from exporter.gateway.jsontext import Json
from exporter.gateway.listing import Listing, listing
from exporter.gateway.paging import PageFacts, Pager
from exporter.gateway.readings import (
    KeyLimits,
    KeyRef,
    KeysReading,
    KeyWindow,
    ListedKey,
    WindowReading,
)

MAX_KEYS: Final = 10_000
"""Keys past this many are not kept."""

PAGE_OF_KEYS: Final = 100
"""Keys asked for in one page: some gateways give few where they are asked for more."""

_NEVER: Final = "0001-01-01"
"""How programs in Go may write the time that there is none of."""

_DAY: Final = 86_400.0
_KEY_MEMBERS: Final = ("key", "masked", "api_key", "masked_key")
_PARAMS: Final = {"page": "1", "page_size": str(PAGE_OF_KEYS)}


class KeysPage(msgspec.Struct, frozen=True):
    """The keys of one page; `facts` has the ids of all rows, `bad` how many say nothing."""

    keys: tuple[ListedKey, ...]
    facts: PageFacts
    bad: int = 0


async def read_all_keys(
    ask: Callable[[Mapping[str, str], Callable[[bytes], KeysPage]], Awaitable[KeysPage]],
    now: Callable[[], float],
    gateway_now: Callable[[], float],
) -> KeysReading:
    """The whole list, page by page, observed at `now`. Raises GatewayError."""

    def read(body: bytes) -> KeysPage:
        return read_keys(body, gateway_now())

    params = dict(_PARAMS)
    try:
        page = await ask(params, read)
    except RefusedParameterError:
        params = {}
        page = await ask(params, read)
    pager = Pager(0.0, PAGE_OF_KEYS)
    found: dict[str, ListedKey] = {}
    bad, step = 0, pager.after(page.facts)
    while True:
        bad += page.bad
        found.update({key.key.gateway_id or key.shown_id: key for key in page.keys})
        if step is None or not params or len(found) >= MAX_KEYS:
            break
        before, page = page, await ask(params | step, read)
        if page.facts.ids == before.facts.ids:
            break  # it has no pages, and gave all of it
        step = pager.after(page.facts)
    missing = pager.said is not None and pager.said > len(found)
    whole = not bad and not missing and len(found) < MAX_KEYS
    return KeysReading(now(), tuple(found.values())[:MAX_KEYS], whole)


def read_keys(body: bytes, now: float) -> KeysPage:
    """One page, as it is at `now` by the gateway's clock (Unix s). Raises BadResponseError."""
    page = _listing(read_answer(body))
    keys: list[ListedKey] = []
    for row in page.rows:
        key = _listed(row, now) if isinstance(row, dict) else None
        if key is not None:
            keys.append(key)
    bad = len(page.rows) - len(keys)
    ids = [key.key.gateway_id or key.shown_id for key in keys] + ["?"] * bad
    return KeysPage(tuple(keys), page.facts(ids, []), bad)


def _listing(answer: Json) -> Listing:
    if isinstance(answer, dict) and isinstance(answer.get("keys"), list):
        answer = {**answer, "items": answer["keys"]}
    page = listing(answer)
    if page is None:
        raise unknown(answer, 'a list of keys ("items")')
    return page


def _listed(row: dict[str, Json], now: float) -> ListedKey | None:
    """What a row says of its key; None where it does not say which key that is."""
    whole = [row.pop(member, None) for member in _KEY_MEMBERS]
    masked = next((mask for mask in map(masked_key, whole) if mask is not None), None)
    name = row.pop("name", None)
    for secret in whole:  # who names a key after itself
        if isinstance(name, str) and isinstance(secret, str) and len(secret) >= 8:
            name = name.replace(secret, masked or "")
    ident = identifier(row.get("id"))
    if ident is None and masked is None:
        return None
    unreadable: list[str] = []
    windows = [_window(row, window, unreadable) for window in KeyWindow]
    expires_at = _expiry(row, now, unreadable)
    limits = KeyLimits(tuple(one for one in windows if one is not None), expires_at)
    return ListedKey(KeyRef(ident, masked, key_name(name)), limits, tuple(unreadable))


def _window(
    row: Mapping[str, Json], window: KeyWindow, unreadable: list[str]
) -> WindowReading | None:
    lifetime = window is KeyWindow.LIFETIME
    limit = _amount(row, "quota" if lifetime else f"rate_limit_{window}", unreadable)
    used = _amount(row, "quota_used" if lifetime else f"usage_{window}", unreadable)
    reset_at = None if lifetime else instant(row.get(f"reset_{window}_at"))
    if limit is None and used is None:
        return None
    return WindowReading(window, limit, used, reset_at)


def _amount(row: Mapping[str, Json], name: str, unreadable: list[str]) -> int | None:
    amount = money(row.get(name))
    if amount is None and row.get(name) is not None:
        unreadable.append(name)
    return amount


def _expiry(row: Mapping[str, Json], now: float, unreadable: list[str]) -> float | None:
    """When the key expires; None where it never does."""
    told = row.get("expires_at")
    if isinstance(told, str) and is_day(told):
        told += "T00"
    at = instant(told)
    if at is not None:
        return at
    if told not in (None, "", 0) and not str(told).startswith(_NEVER):
        unreadable.append("expires_at")
    days = number(row.get("expires_in_days"))
    return now + float(days) * _DAY if days else None

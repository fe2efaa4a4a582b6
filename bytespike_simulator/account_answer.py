"""Account, transactions and notifications (gateway contract, sections 2, 4 and 5)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from bytespike_simulator.account import Account, Notice
from bytespike_simulator.formats import floor_cents, money, timestamp
from bytespike_simulator.keys import Key
from bytespike_simulator.options import HEADERS, Options
from bytespike_simulator.query import Query
from bytespike_simulator.wallet import CREDITS, Movement

DEFAULT_SIZE = 50
MAX_SIZE = 200

T = TypeVar("T")

_LISTED = ("page", "page_size")
_NAMES = (
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-quota-remaining-credits",
    "x-org-quota-remaining-credits",
)


def account(account: Account, query: Query) -> bytes:
    """`GET /me/account`."""
    options = account.options
    if options.strict_parameters:
        query.only(())
    answer: dict[str, object] = {
        "user": {
            "id": 88,
            "username": "ada",
            "email": "ada@example.org",
            "created_at": "2026-01-04T07:11:00Z",
            "tier": options.tier,
        },
        "balance": _balance(account),
        "allowed_models": [
            {
                "id": model.id,
                "quota_used_usd": money(model.used),
                "quota_cap_usd": None if model.cap is None else money(model.cap),
            }
            for model in account.models
        ],
    }
    if options.org != "absent":
        member = {"id": 1, "name": "Example AI", "role": "admin"}
        answer["org"] = member if options.org == "present" else None
    if options.extra_fields:
        answer |= {"features": ["beta", None], "plan": {"seats": 3}}
    return msgspec.json.encode(answer)


def _balance(account: Account) -> object:
    wallet = account.wallet
    if account.options.balance == "number":
        return money(wallet.available)
    return {
        "available_usd": money(wallet.available),
        "lifetime_topup_usd": money(wallet.topup),
        "lifetime_spent_usd": money(wallet.spent),
        "low_balance_threshold_usd": money(round(account.options.threshold_usd * CREDITS)),
        "low_balance_flagged": account.low,
    }


def transactions(account: Account, query: Query) -> bytes:
    """`GET /me/billing/transactions`, newest first."""
    if account.options.strict_parameters:
        query.only(("page", "page_size", "kind", "since", "until"))
    since, until = query.instant("since"), query.instant("until")
    found = account.wallet.movements
    # Instants are Unix ms, movements have whole seconds: `since` and `until` round up.
    low = 0 if since is None else bisect_left(found, -(-since // 1000), key=_created)
    high = len(found) if until is None else bisect_left(found, -(-until // 1000), key=_created)
    kind = query.text("kind")
    chosen = [movement for movement in found[low:high] if kind in (None, movement.kind)]
    page, listed = _page(chosen, query)
    items = [_movement(movement, account.options) for movement in page]
    return msgspec.json.encode({"items": items} | listed)


def _created(movement: Movement) -> int:
    return movement.created


def _movement(movement: Movement, options: Options) -> dict[str, object]:
    extra: dict[str, object] = {"ledger": {"book": 1}} if options.extra_fields else {}
    return {
        "id": movement.id,
        "created_at": timestamp(movement.created),
        "kind": movement.kind,
        "amount_usd": money(movement.amount),
        "balance_after_usd": money(movement.balance_after),
        "source": dict(movement.source) or None,
        "note": movement.note,
    } | extra


def _page(found: Sequence[T], query: Query) -> tuple[list[T], dict[str, object]]:
    """One page of what is in order oldest first, newest first; and what is said about it."""
    number, size = query.integer("page", 1), query.integer("page_size", DEFAULT_SIZE)
    size = min(size, MAX_SIZE)
    high = max(0, len(found) - (number - 1) * size)
    page = list(found[max(0, high - size) : high])[::-1]
    return page, {"total": len(found), "page": number, "page_size": size}


def notifications(account: Account, query: Query) -> bytes:
    """`GET /me/notifications`. Nobody reads here, so that all stay unread."""
    if account.options.strict_parameters:
        query.only((*_LISTED, "unread"))
    page, listed = _page(account.notices, query)
    return msgspec.json.encode({"items": [told(notice) for notice in page]} | listed)


def told(notice: Notice) -> dict[str, object]:
    """A notification as it is listed and as it is delivered."""
    return {
        "id": notice.id,
        "type": notice.type,
        "created_at": timestamp(notice.created),
        "read": False,
        "data": {"usd": money(notice.credits)},
    }


def unread_count(account: Account, query: Query) -> bytes:
    """`GET /me/notifications/unread-count`."""
    if account.options.strict_parameters:
        query.only(())
    return msgspec.json.encode({"count": len(account.notices)})


def envelope(account: Account, key: Key) -> dict[str, str]:
    """The quota headers of one key (gateway contract, section 1): USD, whatever they are called.

    An uncapped key has no window and no quota; only keys that an org owns show its wallet.
    """
    values: dict[str, str] = {}
    window = key.tightest(account.now)
    if window is not None:
        values["limit"] = floor_cents(window.cap)
        values["remaining"] = floor_cents(window.remaining)
        values["reset"] = str(int(window.reset))
    if key.quota is not None:
        values["key"] = floor_cents(max(0, key.quota - key.spent))
    if key.org_owned and account.options.org == "present":
        values["org"] = floor_cents(account.org_wallet)
    missing = account.options.missing_headers.split(",")
    return {
        name: values[short]
        for short, name in zip(HEADERS, _NAMES, strict=True)
        if short in values and short not in missing
    }

"""The account, its keys and its wallet's movements (§2, §4, §5), and the envelope (§1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from tests.second_gateway.gateway.asked import page_of, range_of, size_of
from tests.second_gateway.gateway.books import WINDOWS, Books, Key, Movement
from tests.second_gateway.gateway.spelling import number, spell
from tests.second_gateway.gateway.switches import Switches


def account_answer(books: Books, key: Key, switches: Switches) -> dict[str, object]:
    user, wallet = key.user, books.wallet_of(key.user)
    org = user.org
    own = books.wallets.get(f"user:{user.id}", wallet)
    balance: dict[str, object] = {
        "available_usd": number(own.available),
        "lifetime_topup_usd": number(own.topped_up),
        "low_balance_threshold_usd": number(own.low_below),
        "low_balance_flagged": own.available <= own.low_below,
    }
    if switches.lifetime != "absent":
        stands = switches.lifetime == "stands"
        balance["lifetime_spent_usd"] = 0 if stands else number(own.spent)
    balance |= switches.balance_says
    return {
        "user": {
            "id": user.id,
            "username": user.username,
            "email": f"{user.username}@example.org",
            "created_at": f"2026-01-{1 + user.id % 28:02}T07:11:00Z",
            "tier": user.tier,
        },
        "balance": number(own.available) if switches.account == "number" else balance,
        "allowed_models": [],
        "org": None if org is None else {"id": org.id, "name": org.name, "role": org.role},
    }


def stock_answer(books: Books, key: Key, now: float) -> dict[str, object]:
    """What stock sub2api tells at `/v1/usage`: the key and its wallet."""
    wallet = books.wallet_of(key.user)
    answer: dict[str, object] = {
        "mode": "quota_limited" if key.quota else "unrestricted",
        "isValid": True,
        "status": key.status,
        "planName": "",
        "unit": "USD",
        "rate_limits": [
            {
                "window": name,
                "limit": number(cap),
                "used": number(books.spent_by(key.id, _window_start(name, now))),
                "remaining": number(cap - books.spent_by(key.id, _window_start(name, now))),
                "reset_at": spell(_window_start(name, now) + WINDOWS[name], "whole"),
            }
            for name, cap in key.limits
        ],
        "usage": {"today": _sums(books, key, now // 86400 * 86400), "total": _sums(books, key, 0)},
        "model_stats": [],
    }
    if key.quota:
        used = books.spent_by(key.id)
        left = number(key.quota - used)
        answer["quota"] = {"limit": number(key.quota), "used": number(used), "remaining": left}
    else:
        answer["balance"] = answer["remaining"] = number(wallet.available)
    return answer


def _sums(books: Books, key: Key, since: float) -> dict[str, object]:
    mine = [one for one in books.between(since, float("inf")) if one.key == key.id]
    mine = [one for one in mine if not one.failed]
    cost = number(sum((one.usd for one in mine), Decimal(0)))
    return {
        "requests": len(mine),
        "input_tokens": sum(one.input_tokens for one in mine),
        "output_tokens": sum(one.output_tokens for one in mine),
        "cache_creation_tokens": sum(one.cache_creation_tokens for one in mine),
        "cache_read_tokens": sum(one.cache_read_tokens for one in mine),
        "cost": cost,
        "actual_cost": cost,
    }


def keys_answer(
    books: Books, key: Key, query: Mapping[str, str], switches: Switches, now: float
) -> dict[str, object]:
    """The keys of who asks, page by page; asked for more than a hundred at once, twenty."""
    mine = [one for one in books.keys.values() if one.user.id == key.user.id]
    total, page, size = len(mine), int(query.get("page", 1)), int(query.get("page_size", 20))
    size = size if size <= 100 else 20
    mine = mine[(page - 1) * size : page * size]
    items = []
    for one in mine:
        limits = dict(one.limits)
        item: dict[str, object] = {
            "id": one.id,
            "name": one.name,
            "quota": number(one.quota),
            "rate_limit_5h": number(limits.get("5h", Decimal(0))),
            "rate_limit_1d": number(limits.get("1d", Decimal(0))),
            "rate_limit_7d": number(limits.get("7d", Decimal(0))),
            "expires_at": None if one.expires_at is None else spell(one.expires_at, "whole"),
            "status": one.status,
            "group_id": 1,
            "key": one.secret if switches.keys_in_full else one.listed,
        }
        if switches.keys_in_full:
            item["quota_used"] = number(books.spent_by(one.id))
            for name in WINDOWS:
                since = _window_start(name, now)
                item[f"usage_{name}"] = number(books.spent_by(one.id, since))
                item[f"reset_{name}_at"] = spell(since + WINDOWS[name], "whole")
        items.append(item)
    return {"items": items, "total": total, "page": page, "page_size": size}


def movements_answer(
    books: Books, key: Key, query: Mapping[str, str], switches: Switches, now: float
) -> dict[str, object]:
    own = replace(switches, range_by="since", refuses_future=False, oldest_days=None)
    own = replace(own, longest_range_days=36500)
    asked = range_of(query, own, now)
    found = [
        one
        for one in books.movements.values()
        if one.owner == key.user.owner
        and query.get("kind", one.kind) == one.kind
        and asked.since <= int(one.at) < asked.until
    ]
    found.sort(key=lambda one: (one.at, one.id), reverse=True)
    size = size_of({"page_size": "50"} | dict(query), switches)
    first = page_of(query, switches) * size
    return {
        "items": [_movement(one) for one in found[first : first + size]],
        "total": len(found),
        "page": first // size + switches.first_page,
        "page_size": size,
    }


def _movement(its: Movement) -> dict[str, object]:
    item: dict[str, object] = {
        "id": its.id,
        "created_at": spell(its.at, "whole"),
        "kind": its.kind,
        "amount_usd": number(its.usd),
        "balance_after_usd": number(its.balance_after),
        "source": {"provider": "stripe", "receipt_id": f"ch_{its.id}", "method": "card"},
        "note": None,
    }
    if its.status is not None:
        item["status"] = its.status
    return item


def envelope(books: Books, key: Key, switches: Switches, now: float) -> dict[str, str]:
    """The quota headers of a key: what constrains it most, its cap, its org's wallet."""
    headers: dict[str, str] = {}
    left = {
        name: (cap, cap - books.spent_by(key.id, _window_start(name, now)))
        for name, cap in key.limits
    }
    if left:
        name = min(left, key=lambda one: left[one][1])
        cap, remaining = left[name]
        headers["X-RateLimit-Limit"] = f"{cap:.2f}"
        headers["X-RateLimit-Remaining"] = f"{remaining:.2f}"
        headers["X-RateLimit-Reset"] = f"{_window_start(name, now) + WINDOWS[name]:.0f}"
    if key.quota:
        headers["X-Quota-Remaining-Credits"] = f"{key.quota - books.spent_by(key.id):.2f}"
    elif switches.uncapped_tells_wallet:
        headers["X-Quota-Remaining-Credits"] = f"{books.wallet_of(key.user).available:.2f}"
    if key.user.owner.startswith("org:"):
        org_wallet = books.wallet_of(key.user).available
        headers["X-Org-Quota-Remaining-Credits"] = f"{org_wallet:.2f}"
    return headers


def _window_start(name: str, now: float) -> float:
    return now // WINDOWS[name] * WINDOWS[name]

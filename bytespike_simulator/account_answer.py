"""Account, transactions and quota envelope (gateway contract, sections 1, 2 and 4)."""

from __future__ import annotations

from bisect import bisect_left
from operator import attrgetter

import msgspec

from bytespike_simulator.account import Account
from bytespike_simulator.formats import floor_cents, timestamp, usd
from bytespike_simulator.keys import Key
from bytespike_simulator.options import HEADERS
from bytespike_simulator.query import Query, instant, integer
from bytespike_simulator.wallet import CREDITS, Movement

DEFAULT_SIZE = 50
MAX_SIZE = 200


def overview(account: Account, query: Query, asking: int) -> bytes:
    """`GET /me/account`."""
    options = account.options
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
                "quota_used_usd": usd(model.used),
                "quota_cap_usd": None if model.cap is None else usd(model.cap),
            }
            for model in account.models
        ],
    }
    if options.org != "absent":
        member = {"id": 1, "name": "Example AI", "role": "admin"}
        answer["org"] = member if options.org == "present" else None
    return msgspec.json.encode(answer)


def _balance(account: Account) -> object:
    wallet = account.wallet
    if account.options.balance == "number":
        return usd(wallet.available)
    return {
        "available_usd": usd(wallet.available),
        "lifetime_topup_usd": usd(wallet.topup),
        "lifetime_spent_usd": usd(wallet.spent),
        "low_balance_threshold_usd": usd(round(account.options.threshold_usd * CREDITS)),
        "low_balance_flagged": account.low,
    }


def transactions(account: Account, query: Query, asking: int) -> bytes:
    """`GET /me/billing/transactions`, newest first."""
    since, until = instant(query, "since"), instant(query, "until")
    found = account.wallet.movements
    created = attrgetter("created")
    # Instants are Unix ms, movements have whole seconds: `since` and `until` round up.
    low = 0 if since is None else bisect_left(found, -(-since // 1000), key=created)
    high = len(found) if until is None else bisect_left(found, -(-until // 1000), key=created)
    kind = query.get("kind")
    chosen = [movement for movement in found[low:high] if kind in (None, movement.kind)]
    number, size = integer(query, "page", 1), integer(query, "page_size", DEFAULT_SIZE)
    size = min(size, MAX_SIZE)
    end = max(0, len(chosen) - (number - 1) * size)
    page = chosen[max(0, end - size) : end][::-1]
    answer = {
        "items": [_movement(movement) for movement in page],
        "total": len(chosen),
        "page": number,
        "page_size": size,
    }
    return msgspec.json.encode(answer)


def _movement(movement: Movement) -> dict[str, object]:
    answer: dict[str, object] = {} if movement.status is None else {"status": movement.status}
    return answer | {
        "id": movement.id,
        "created_at": timestamp(movement.created),
        "kind": movement.kind,
        "amount_usd": usd(movement.amount),
        "balance_after_usd": usd(movement.balance_after),
        "source": dict(movement.source) or None,
        "note": movement.note,
    }


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
    return {HEADERS[short]: text for short, text in values.items() if short not in missing}

"""The list of the account's keys (gateway contract, section 5)."""

from __future__ import annotations

import msgspec

from bytespike_simulator.account import Account
from bytespike_simulator.formats import timestamp, usd
from bytespike_simulator.keys import LENGTHS, Key
from bytespike_simulator.query import Query, integer
from bytespike_simulator.refusals import refusal

DEFAULT_SIZE = 20
MAX_SIZE = 100
_WINDOWS = dict(zip(("5h", "1d", "7d"), LENGTHS, strict=True))


def keys(account: Account, query: Query, asking: int) -> bytes:
    """`GET /api/v1/keys`. Raises Refusal where keys are not listed."""
    how = account.options.key_list
    if how in ("refused", "missing"):
        raise refusal("not_allowed" if how == "refused" else "no_route")
    number, size = integer(query, "page", 1), integer(query, "page_size", DEFAULT_SIZE)
    size = size if size <= MAX_SIZE else DEFAULT_SIZE
    page = account.keys[(number - 1) * size : number * size]
    answer = {
        "items": [_key(account, key, how == "full") for key in page],
        "total": len(account.keys),
        "page": number,
        "page_size": size,
        "pages": -(-len(account.keys) // size),
    }
    return msgspec.json.encode(answer)


def _key(account: Account, key: Key, full: bool) -> dict[str, object]:
    """A key; what is used of its limits only where it is given in full, as stock sub2api does."""
    row: dict[str, object] = {
        "id": key.id,
        "name": key.name,
        "key": key.secret if full else f"sk-byts-...****{key.secret[-4:]}",
        "status": "active",
        "group_id": 1,
        "quota": usd(key.quota or 0),
        "expires_at": None if key.expires is None else timestamp(int(key.expires)),
    }
    windows = {window.length: window for window in key.windows}
    for name, length in _WINDOWS.items():
        window = windows.get(length)
        if window is not None:
            window.roll(account.now)
        row[f"rate_limit_{name}"] = usd(window.cap if window else 0)
        if full:
            row[f"usage_{name}"] = usd(window.spent if window else 0)
            row[f"reset_{name}_at"] = timestamp(int(window.reset)) if window else None
    if full:
        row["quota_used"] = usd(key.spent)
    return row

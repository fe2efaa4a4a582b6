"""What stock sub2api answers differently: the log at its own address, and the key's account."""

from __future__ import annotations

from datetime import date, timedelta

import msgspec

from bytespike_simulator import log_answer
from bytespike_simulator.account import Account
from bytespike_simulator.formats import timestamp, usd
from bytespike_simulator.query import Query, integer
from bytespike_simulator.refusals import bad_request

LOG = "/api/v1/usage"
KEY_ACCOUNT = "/v1/usage"
MOST = 100
"""Rows of a page at the most; whoever asks for more gets the default."""

_UNDERSTOOD = ("page", "request_id", "api_key_id")


def log(account: Account, query: Query, asking: int) -> bytes:
    """The log by whole days; `since` and `until` are ignored."""
    understood = {name: query[name] for name in _UNDERSTOOD if name in query}
    if "start_date" in query:
        understood["since"] = _day(query, "start_date").isoformat()
    if "end_date" in query:
        understood["until"] = (_day(query, "end_date") + timedelta(days=1)).isoformat()
    name = "page_size" if "page_size" in query else "limit"
    size = integer(query, name, log_answer.DEFAULT_SIZE)
    understood["page_size"] = str(size if size <= MOST else log_answer.DEFAULT_SIZE)
    return log_answer.page(account, understood, asking)


def _day(query: Query, name: str) -> date:
    try:
        return date.fromisoformat(query[name])
    except ValueError:
        raise bad_request(f"{name}: must be a date") from None


def key_account(account: Account, query: Query, asking: int) -> bytes:
    """The key, its quota and windows; of a key without any the wallet."""
    key = account.keys[asking]
    for window in key.windows:
        window.roll(account.now)
    limited = key.quota is not None or bool(key.windows)
    answer: dict[str, object] = {
        "mode": "quota_limited" if limited else "unrestricted",
        "isValid": True,
        "status": "active",
        "unit": "USD",
        "usage": {"total": {"actual_cost": usd(key.spent)}},
    }
    if key.quota is not None:
        left = max(0, key.quota - key.spent)
        answer["quota"] = {
            "limit": usd(key.quota),
            "used": usd(key.spent),
            "remaining": usd(left),
        }
        answer["remaining"] = usd(left)
    if key.windows:
        answer["rate_limits"] = [
            {
                "window": window.name,
                "limit": usd(window.cap),
                "used": usd(window.spent),
                "remaining": usd(window.remaining),
                "reset_at": timestamp(int(window.reset)),
            }
            for window in key.windows
        ]
    if not limited:
        answer["balance"] = answer["remaining"] = usd(account.wallet.available)
    return msgspec.json.encode(answer)

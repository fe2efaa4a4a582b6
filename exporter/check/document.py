"""What `check` found, as JSON.

Its form is documented in docs/check.md. Within one number of `format` members only join it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from exporter import __version__
from exporter.check.tried import Checked, Tried, without_address
from exporter.secrets import printable, shown_url

FORMAT = 1
"""Goes up when a member changes its meaning or goes."""


def document(
    path: Path, notes: Sequence[str], accounts: Sequence[Checked], others: Sequence[Tried]
) -> str:
    """The whole of it, without anything secret."""
    tried = [*(one for account in accounts for one in account.tried), *others]
    whole = {
        "format": FORMAT,
        "exporter": __version__,
        "config": {"path": str(path), "notes": [printable(note) for note in notes]},
        "works": all(one.worked for one in tried),
        "accounts": [_account(account) for account in accounts],
        "others": [
            {
                "what": one.what,
                "worked": one.worked,
                "warns": one.warns,
                "said": printable(one.said),
            }
            for one in others
        ],
    }
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode()


def _account(account: Checked) -> dict[str, object]:
    return {
        "name": printable(account.name),
        "base_url": shown_url(account.base_url),
        "works": account.worked,
        "endpoints": [_endpoint(one) for one in account.tried],
        "recognized": _recognized(account),
        "hints": [{"name": hint.name, "said": printable(hint.said)} for hint in account.hints],
    }


def _endpoint(tried: Tried) -> dict[str, object]:
    return {
        "endpoint": tried.what,
        "worked": tried.worked,
        "outcome": tried.outcome,
        "said": printable(tried.said),
        "requests": [
            {
                "url": one.url,
                "status": one.status,
                "seconds": round(one.seconds, 6),
                "members": list(one.members),
            }
            for one in tried.exchanges
        ],
    }


def _recognized(account: Checked) -> dict[str, object]:
    reading, offset = account.reading, account.clock_offset
    pays = {None: None, True: "organization", False: "user"}[account.pays_organization]
    return {
        "usage": account.recognized.usage,
        "transactions": account.recognized.transactions,
        "wrapped": account.wrapped,
        "unit": account.unit,
        "clock_offset_seconds": None if offset is None else round(offset, 3),
        "user": None if reading is None else without_address(reading.user_id),
        "wallet": account.wallet,
        "pays": pays,
        "keys_listed": account.keys_listed,
    }

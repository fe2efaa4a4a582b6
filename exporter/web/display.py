"""The body of `/`: the page as its query chooses it. `exporter.web.app` imports it when asked."""

from __future__ import annotations

from collections.abc import Mapping

from exporter.ledger.totals import AccountTotals
from exporter.web.build import build
from exporter.web.model import Choice
from exporter.web.page import render
from exporter.web.view import View


def display(
    view: View, totals: Mapping[str, AccountTotals] | str, now: float, query: Mapping[str, str]
) -> tuple[int, bytes]:
    """Status and body at `now` (Unix s). `totals` may be the reason why there are none."""
    choice = Choice(
        account=query.get("account"),
        page=_whole(query.get("page", "")),
        refresh=query.get("refresh") != "off",
    )
    model = build(view, totals, now, choice)
    status = 404 if model.missing is not None else 200
    return status, render(model).encode("utf-8", "replace")


def _whole(digits: str) -> int:
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 6 else 1

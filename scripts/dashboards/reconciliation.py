"""Whether wallet and counted usage of one account agree, and what else moved money."""

from __future__ import annotations

from exporter.metrics import attributes as a
from exporter.metrics import catalogue as c
from exporter.metrics.prometheus import label_name
from scripts.dashboards import common as q
from scripts.dashboards import limits
from scripts.dashboards.panels import Column, Field, Look, Tile, lines, rows
from scripts.dashboards.promql import RANGE, gauge, growth, matcher


def reconciliation() -> list[Tile]:
    return [
        lines(
            "Drift and overcount",
            "Drift: growth of the wallet's lifetime spend less the usage counted; the dashed lines "
            "are where its alert begins. Overcount: what later corrections took back from cost "
            "counters.",
            {"drift": gauge(c.LEDGER_DRIFT), "overcount": gauge(c.USAGE_OVERCOUNT)},
            Field("currencyUSD", 2, limits.DRIFT),
            look=Look(signed=True),
        ),
        lines(
            "Wallet and usage, hour by hour",
            "Spent in the hour before, as the wallet's lifetime counter and as usage tell it. What "
            "settles late shows in the wallet first.",
            {"wallet": growth(c.WALLET_SPEND, (), "1h"), "usage": growth(c.USAGE_COST, (), "1h")},
            q.USD,
        ),
        lines(
            "Paid in and spent since creation",
            "The gateway's own lifetime numbers of the wallet.",
            {"paid in": gauge(c.WALLET_TOPUP), "spent": gauge(c.WALLET_SPEND)},
            Field("currencyUSD"),
        ),
        _movements(),
        _whose(),
    ]


def _movements() -> Tile:
    by = (a.ACCOUNT, a.KIND)
    queries = (
        f"sort_desc({gauge(c.BILLING_LAST)} * 1000)",
        f"round({growth(c.BILLING_TRANSACTIONS, by, RANGE)})",
        *(
            growth(c.BILLING_AMOUNT, by, RANGE, matcher(a.DIRECTION, direction))
            for direction in a.DIRECTIONS
        ),
    )
    columns = {
        label_name(a.KIND): Column("Kind"),
        "Value #A": Column("Last", Field("dateTimeFromNow"), 130),
        "Value #B": Column("Number", Field("short", 0), 90),
        "Value #C": Column("Credited", q.USD, 110),
        "Value #D": Column("Debited", q.USD, 110),
    }
    return rows(
        "Wallet movements",
        "What was not an API call, by kind: in the chosen range, and when it last happened. The "
        "last time may lie before the range.",
        queries,
        columns,
        (12, 7),
        hidden=q.ACCOUNT_COLUMN,
    )


def _whose() -> Tile:
    columns = {
        label_name(a.ACCOUNT): Column("Account"),
        label_name(a.TIER): Column("Tier"),
        label_name(a.ORGANIZATION_NAME): Column("Organization"),
        label_name(a.ORGANIZATION_ID): Column("Id", width=70),
        label_name(a.ORGANIZATION_ROLE): Column("Role", width=90),
        label_name(a.USER_ID): Column("User", width=70),
    }
    return rows(
        "Whose account",
        "What the gateway says of the user and its organization, if it has one.",
        (gauge(c.ACCOUNT_INFO),),
        columns,
        (12, 7),
        hidden=("Value",),
    )

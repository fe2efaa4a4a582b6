"""The books of one account: whether wallet and counted usage agree, and what else moved money."""

from __future__ import annotations

from exporter.metrics import attributes as a
from exporter.metrics import catalogue as c
from exporter.metrics.prometheus import label_name
from scripts.dashboards import common as q
from scripts.dashboards import limits
from scripts.dashboards.frame import Tile
from scripts.dashboards.panels import Column, Field, Look, Query, Text, lines, rows
from scripts.dashboards.promql import RANGE, gauge, growth, matcher


def books() -> list[Tile]:
    """Whether wallet and usage agree, what moved the wallet otherwise, and whose it is."""
    apart = Text(
        "Drift and overcount",
        "Drift: growth of the wallet's lifetime spend less the usage counted; the dashed lines are "
        "where its alert begins. Overcount: what later corrections took back from cost counters.",
    )
    both = Text(
        "Wallet and usage, hour by hour",
        "Spent in the hour before, as the wallet's lifetime counter and as usage tell it. What "
        "settles late shows in the wallet first.",
    )
    lifetime = Text(
        "Paid in and spent since creation", "The gateway's own lifetime numbers of the wallet."
    )
    drift = Field("currencyUSD", 2, limits.DRIFT)
    compared = [
        Query(growth(c.WALLET_SPEND, (), "1h"), "wallet"),
        Query(growth(c.USAGE_COST, (), "1h"), "usage"),
    ]
    paid = [Query(gauge(c.WALLET_TOPUP), "paid in"), Query(gauge(c.WALLET_SPEND), "spent")]
    differences = [
        Query(gauge(c.LEDGER_DRIFT), "drift"),
        Query(gauge(c.USAGE_OVERCOUNT), "overcount"),
    ]
    return [
        Tile(lines(apart, differences, drift, Look(signed=True)), 8, 7),
        Tile(lines(both, compared, q.USD), 8, 7),
        Tile(lines(lifetime, paid, Field("currencyUSD")), 8, 7),
        _movements(),
        _whose(),
    ]


def _movements() -> Tile:
    text = Text(
        "Wallet movements",
        "What was not an API call, by kind: in the chosen range, and when it last happened. The "
        "last time may lie before the range.",
    )
    by = (a.KIND,)
    queries = (
        f"sort_desc({gauge(c.BILLING_LAST)} * 1000)",
        f"round({growth(c.BILLING_TRANSACTIONS, (a.ACCOUNT, *by), RANGE)})",
        *(
            growth(c.BILLING_AMOUNT, (a.ACCOUNT, *by), RANGE, matcher(a.DIRECTION, direction))
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
    return Tile(rows(text, queries, columns, hidden=q.ACCOUNT_COLUMN), 12, 7)


def _whose() -> Tile:
    text = Text(
        "Whose account", "What the gateway says of the user and its organization, if it has one."
    )
    columns = {
        label_name(a.ACCOUNT): Column("Account"),
        label_name(a.TIER): Column("Tier"),
        label_name(a.ORGANIZATION_NAME): Column("Organization"),
        label_name(a.ORGANIZATION_ID): Column("Id", width=70),
        label_name(a.ORGANIZATION_ROLE): Column("Role", width=90),
    }
    return Tile(rows(text, (gauge(c.ACCOUNT_INFO),), columns, hidden=("Value",)), 12, 7)

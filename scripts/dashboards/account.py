"""One account in depth: its money, what spends it, its limits, and whether the books agree."""

from __future__ import annotations

from exporter.metrics import attributes as a
from exporter.metrics import catalogue as c
from exporter.metrics.prometheus import label_name
from scripts.dashboards import common as q
from scripts.dashboards import limits, traffic
from scripts.dashboards.annotations import movements
from scripts.dashboards.frame import IN_DEPTH, Page, Section
from scripts.dashboards.panels import (
    GREEN,
    ORANGE,
    STACKED,
    Column,
    Field,
    Look,
    Tile,
    bars,
    lines,
    rows,
    single,
)
from scripts.dashboards.promql import (
    RANGE,
    gauge,
    growth,
    labels,
    matcher,
    rate,
    series,
    top,
)
from scripts.dashboards.reconciliation import reconciliation

_PER_SERIES = (a.KEY_NAME, a.KEY_ID, a.MODEL)
_MODELS = (a.MODEL,)
_MINUTE = 60
_HOUR = "Billed in the hour before each instant. Calls that settle late show when they settle."


def _numbers() -> list[Tile]:
    low = Field("short", 0)
    key_left = Field("currencyUSD", 2, limits.KEY_LEFT, nothing="no cap is known")
    organization = Field("currencyUSD", 2, limits.ORGANIZATION, nothing="not in the headers")
    # fmt: off
    return [
        single("Balance", "What is left to spend, net of holds. Red under the alert's floor.",
               q.BALANCE, Field("currencyUSD", 2, limits.BALANCE), sparkline=True),
        single("Runway", "How long the balance lasts at the present rate of spending.",
               q.RUNWAY_LEFT, q.RUNWAY),
        single("Spent in the last hour", "Billed for API calls.",
               q.spent("1h"), q.SPENT, sparkline=True),
        single("Spent in the last 24 h", "Billed for API calls.",
               q.spent("24h"), q.SPENT),
        single("Balance is low", "Whether the gateway calls it low: at or under the threshold.",
               q.LOW, low, values=q.YES_NO),
        single("Organization's wallet", "What is left there; all keys it owns spend from it.",
               q.ORGANIZATION, organization),
        single("Window left", "Share of the tightest rolling spend window that is left.",
               f"min({q.RATE_LEFT})", q.WINDOW_LEFT),
        single("Window resets", "When the tightest rolling spend window resets.",
               f"min({gauge(c.RATE_RESET)} * 1000)",
               Field("dateTimeFromNow", nothing="no window is known")),
        single("Key's cap left", "What is left of the lifetime cap of the key in use.",
               f"min({q.KEY_LEFT})", key_left),
        single("Fullest model cap", "Share that is spent of the model cap closest to its end.",
               f"max({gauge(c.QUOTA_UTILIZATION)})", q.MODEL_SPENT),
        single("Ledger drift", "How far wallet and counted usage are apart. Green: they agree.",
               gauge(c.LEDGER_DRIFT), Field("currencyUSD", 2, limits.DRIFT)),
        single("Gateway", "Whether the last poll of every endpoint succeeded.",
               q.ANSWERS, low, values=q.ALL_UP),
    ]
    # fmt: on


def _money() -> list[Tile]:
    return [
        *(tile._replace(height=3) for tile in _numbers()),
        lines(
            "Balance and threshold",
            "What is left to spend, and where the gateway calls it low. Marks: top-ups.",
            {"balance": q.BALANCE, "low at": q.THRESHOLD},
            Field("currencyUSD"),
            (14, 8),
            Look(limit="low at"),
        ),
        lines(
            "Runway over time",
            "How long the balance lasts. Dashed: where the alerts begin.",
            {"runway": q.RUNWAY_LEFT},
            q.RUNWAY,
            (10, 8),
        ),
    ]


def _spend() -> list[Tile]:
    by_key = {q.legend(a.KEY_NAME): growth(c.USAGE_COST, (a.KEY_NAME, a.KEY_ID), "1h")}
    by_model = {q.legend(a.MODEL): growth(c.USAGE_COST, _MODELS, "1h")}
    return [
        lines("Spend by key, hour by hour", _HOUR, by_key, q.SPENT, (12, 8), STACKED),
        lines("Spend by model, hour by hour", _HOUR, by_model, q.SPENT, (12, 8), STACKED),
        _table(),
    ]


def _table() -> Tile:
    cost = growth(c.USAGE_COST, _PER_SERIES, RANGE)
    calls = growth(c.USAGE_REQUESTS, _PER_SERIES, RANGE)
    tokens = [
        f"round({growth(c.USAGE_TOKENS, _PER_SERIES, RANGE, matcher(a.TOKEN_TYPE, kind))})"
        for kind in a.TOKEN_TYPES[:2]
    ]
    columns = {
        label_name(a.KEY_NAME): Column("Key"),
        label_name(a.KEY_ID): Column("Masked key", width=150),
        label_name(a.MODEL): Column("Model"),
        "Value #A": Column("Cost", q.USD, 110),
        "Value #B": Column("Requests", Field("short"), 100),
        "Value #C": Column("Input tokens", Field("short"), 120),
        "Value #D": Column("Output tokens", Field("short"), 120),
        "Value #E": Column("Per request", Field("currencyUSD", 4), 120),
    }
    return rows(
        "Keys and models",
        "What was billed in the chosen range, dearest first. One key can have had several names.",
        (f"sort_desc({cost} > 0)", f"round({calls})", *tokens, f"{cost} / ({calls} > 0)"),
        columns,
        (24, 8),
    )


def _tokens() -> list[Tile]:
    tokens = Field("short", 0)
    by_model = q.legend(a.MODEL)
    by_type = rate(c.USAGE_TOKENS, (a.TOKEN_TYPE,), per=_MINUTE)
    return [
        lines(
            "Tokens by type, per minute",
            "Tokens billed: of prompts and of answers.",
            {q.legend(a.TOKEN_TYPE): by_type},
            tokens,
            look=STACKED,
        ),
        lines(
            "Tokens by model, per minute",
            "Tokens billed, prompts and answers together.",
            {by_model: rate(c.USAGE_TOKENS, _MODELS, per=_MINUTE)},
            tokens,
            look=STACKED,
        ),
        lines(
            "Requests by model, per minute",
            "API calls billed.",
            {by_model: rate(c.USAGE_REQUESTS, _MODELS, per=_MINUTE)},
            Field("short", 1),
            look=STACKED,
        ),
    ]


def _limits() -> list[Tile]:
    left = {
        f"left · {q.legend(a.KEY_ID)}": gauge(c.RATE_REMAINING, of="min"),
        "cap": f"max({gauge(c.RATE_LIMIT)})",
    }
    columns = {
        label_name(a.MODEL): Column("Model"),
        "Value #A": Column("Used", q.USD, 105),
        "Value #B": Column("Cap", Field("currencyUSD", 2, nothing="uncapped"), 105),
    }
    return [
        lines(
            "Rolling spend window",
            "What is left in the window that is closest to constraining the key, and its cap. The "
            "gateway shows one of three windows (5 h, 1 d, 7 d); which one can change.",
            left,
            Field("currencyUSD", nothing="no window is known"),
            look=Look(limit="cap"),
        ),
        bars(
            "Model caps: what is spent",
            "Share of each cap, 100 % is all. Uncapped: none.",
            {q.legend(a.MODEL): top(10, gauge(c.QUOTA_UTILIZATION))},
            q.MODEL_SPENT,
            most=1,
        ),
        rows(
            "Model caps",
            "What each model has used, and its cap. No cap: uncapped.",
            (f"sort_desc({gauge(c.QUOTA_USAGE)})", gauge(c.QUOTA_LIMIT)),
            columns,
            hidden=q.ACCOUNT_COLUMN,
        ),
        _keys(),
    ]


def _keys() -> Tile:
    """What the list of keys says of each."""
    by = labels((a.KEY_ID,))
    whole = matcher(a.WINDOW, "lifetime")
    listed = {"0": ("no", ORANGE), "1": ("yes", GREEN)}
    columns = {
        label_name(a.KEY_ID): Column("Masked key"),
        "Value #A": Column("In the list", Field("short", nothing="unknown"), 110, values=listed),
        "Value #B": Column("Used", q.USD, 110),
        "Value #C": Column("Lifetime cap", Field("currencyUSD", 2, nothing="uncapped"), 120),
        "Value #D": Column("Expires", Field("dateTimeFromNow", nothing="never"), 140),
    }
    there = series(c.KEY_INFO, matcher(a.KEY_LISTED, "true"))
    gone = series(c.KEY_INFO, matcher(a.KEY_LISTED, "false"))
    return rows(
        "Keys",
        "Every key that is in the account's list or in usage: what of its lifetime cap is spent, "
        "and when it expires. A key that spends and is in no list is foreign or leaked.",
        (
            f"max by {by} ({there}) or 0 * max by {by} ({gone})",
            f"max by {by} ({series(c.KEY_USED, whole)})",
            f"max by {by} ({series(c.KEY_LIMIT, whole)})",
            f"min by {by} ({series(c.KEY_EXPIRY)}) * 1000",
        ),
        columns,
        (24, 8),
        nothing="the gateway gives no list of keys",
    )


def page() -> Page:
    calls = [traffic.newest(8, many=False), traffic.responses(), traffic.refusals(many=False)]
    return Page(
        uid=IN_DEPTH,
        title="ByteSpike / Account",
        description="One ByteSpike account in depth: money, spend, limits, traffic and books.",
        sections=(
            Section("Money", _money()),
            Section("Spend", _spend()),
            Section("Tokens and requests", _tokens()),
            Section("Limits", _limits()),
            Section(traffic.TITLE, calls),
            Section("Books", reconciliation()),
        ),
        many=False,
        annotations=movements(),
    )

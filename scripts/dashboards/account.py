"""One account in depth: its money, what spends it, its limits, and whether the books agree."""

from __future__ import annotations

from exporter.metrics import attributes as a
from exporter.metrics import catalogue as c
from exporter.metrics.prometheus import label_name
from scripts.dashboards import common as q
from scripts.dashboards import limits, traffic
from scripts.dashboards.annotations import movements
from scripts.dashboards.books import books
from scripts.dashboards.frame import IN_DEPTH, Page, Section, Tile
from scripts.dashboards.panels import (
    STACKED,
    Column,
    Field,
    Look,
    Query,
    Text,
    bars,
    lines,
    rows,
    single,
)
from scripts.dashboards.promql import (
    RANGE,
    gauge,
    growth,
    matcher,
    rate,
    top,
)

_PER_SERIES = (a.KEY_NAME, a.KEY_ID, a.MODEL)
_KEYS = (a.KEY_NAME, a.KEY_ID)
_MODELS = (a.MODEL,)
_MINUTE = 60
_HOUR = "Billed in the hour before each instant. Calls that settle late show when they settle."


def _numbers() -> list[Tile]:
    worst = f"max({gauge(c.QUOTA_UTILIZATION)})"
    resets = f"{gauge(c.RATE_RESET)} * 1000"
    low = Field("short", 0)
    balance = Field("currencyUSD", 2, limits.BALANCE)
    organization = Field("currencyUSD", 2, limits.ORGANIZATION, nothing="not in the headers")
    drift = Field("currencyUSD", 2, limits.DRIFT)
    key = Field("currencyUSD", 2, limits.KEY_LEFT, nothing="no cap is known")
    tiles = (
        single(
            Text("Balance", "What is left to spend, net of holds. Red under the alert's floor."),
            Query(q.BALANCE, ""),
            balance,
            sparkline=True,
        ),
        single(
            Text("Runway", "How long the balance lasts at the present rate of spending."),
            Query(q.RUNWAY_LEFT, ""),
            q.RUNWAY,
        ),
        single(
            Text("Spent in the last hour", "Billed for API calls."),
            Query(q.spent("1h"), ""),
            q.SPENT,
            sparkline=True,
        ),
        single(
            Text("Spent in the last 24 h", "Billed for API calls."),
            Query(q.spent("24h"), ""),
            q.SPENT,
        ),
        single(
            Text("Balance is low", "Whether the gateway calls it low: at or under the threshold."),
            Query(q.LOW, ""),
            low,
            values=q.YES_NO,
        ),
        single(
            Text("Organization's wallet", "What is left there; all keys it owns spend from it."),
            Query(q.ORGANIZATION, ""),
            organization,
        ),
        single(
            Text("Window left", "Share of the tightest rolling spend window that is left."),
            Query(f"min({q.RATE_LEFT})", ""),
            q.WINDOW_LEFT,
        ),
        single(
            Text("Window resets", "When the tightest rolling spend window resets."),
            Query(f"min({resets})", ""),
            Field("dateTimeFromNow", nothing="no window is known"),
        ),
        single(
            Text("Key's cap left", "What is left of the lifetime cap of the key in use."),
            Query(f"min({q.KEY_LEFT})", ""),
            key,
        ),
        single(
            Text("Fullest model cap", "Share that is spent of the model cap closest to its end."),
            Query(worst, ""),
            q.MODEL_SPENT,
        ),
        single(
            Text("Ledger drift", "How far wallet and counted usage are apart. Green: they agree."),
            Query(gauge(c.LEDGER_DRIFT), ""),
            drift,
        ),
        single(
            Text("Gateway", "Whether the last poll of every endpoint succeeded."),
            Query(q.ANSWERS, ""),
            low,
            values=q.ALL_UP,
        ),
    )
    return [Tile(tile, 4, 3) for tile in tiles]


def _money() -> list[Tile]:
    balance = Text(
        "Balance and threshold",
        "What is left to spend, and where the gateway calls it low. Marks: top-ups.",
    )
    runway = Text("Runway over time", "How long the balance lasts. Dashed: where the alerts begin.")
    queries = [Query(q.BALANCE, "balance"), Query(q.THRESHOLD, "low at")]
    return [
        *_numbers(),
        Tile(lines(balance, queries, Field("currencyUSD"), Look(limit="low at")), 14, 8),
        Tile(lines(runway, [Query(q.RUNWAY_LEFT, "runway")], q.RUNWAY), 10, 8),
    ]


def _spend() -> list[Tile]:
    key = Text("Spend by key, hour by hour", _HOUR)
    model = Text("Spend by model, hour by hour", _HOUR)
    by_key = Query(growth(c.USAGE_COST, _KEYS, "1h"), q.legend(a.KEY_NAME))
    by_model = Query(growth(c.USAGE_COST, _MODELS, "1h"), q.legend(a.MODEL))
    return [
        Tile(lines(key, [by_key], q.SPENT, STACKED), 12, 8),
        Tile(lines(model, [by_model], q.SPENT, STACKED), 12, 8),
        _table(),
    ]


def _table() -> Tile:
    text = Text(
        "Keys and models",
        "What was billed in the chosen range, dearest first. One key can have had several names.",
    )
    cost = growth(c.USAGE_COST, _PER_SERIES, RANGE)
    calls = growth(c.USAGE_REQUESTS, _PER_SERIES, RANGE)
    tokens = [
        f"round({growth(c.USAGE_TOKENS, _PER_SERIES, RANGE, matcher(a.TOKEN_TYPE, kind))})"
        for kind in a.TOKEN_TYPES
    ]
    queries = (f"sort_desc({cost} > 0)", f"round({calls})", *tokens, f"{cost} / ({calls} > 0)")
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
    return Tile(rows(text, queries, columns), 24, 8)


def _tokens() -> list[Tile]:
    per_minute = Field("short", 0)
    kind = (a.TOKEN_TYPE,)
    panels = (
        (
            Text("Tokens by type, per minute", "Tokens billed: of prompts and of answers."),
            Query(rate(c.USAGE_TOKENS, kind, per=_MINUTE), q.legend(a.TOKEN_TYPE)),
        ),
        (
            Text("Tokens by model, per minute", "Tokens billed, prompts and answers together."),
            Query(rate(c.USAGE_TOKENS, _MODELS, per=_MINUTE), q.legend(a.MODEL)),
        ),
        (
            Text("Requests by model, per minute", "API calls billed."),
            Query(rate(c.USAGE_REQUESTS, _MODELS, per=_MINUTE), q.legend(a.MODEL)),
        ),
    )
    fields = (per_minute, per_minute, Field("short", 1))
    return [
        Tile(lines(text, [query], field, STACKED), 8, 7)
        for (text, query), field in zip(panels, fields, strict=True)
    ]


def _limits() -> list[Tile]:
    window = Text(
        "Rolling spend window",
        "What is left in the window that is closest to constraining the key, and its cap. The "
        "gateway shows one of three windows (5 h, 1 d, 7 d); which one can change.",
    )
    model = Text("Model caps", "What each model has used, and its cap. No cap: uncapped.")
    fullest = Text("Model caps: what is spent", "Share of each cap, 100 % is all. Uncapped: none.")
    queries = (f"sort_desc({gauge(c.QUOTA_USAGE)})", gauge(c.QUOTA_LIMIT))
    columns = {
        label_name(a.MODEL): Column("Model"),
        "Value #A": Column("Used", q.USD, 105),
        "Value #B": Column("Cap", Field("currencyUSD", 2, nothing="uncapped"), 105),
    }
    left = [
        Query(gauge(c.RATE_REMAINING, of="min"), f"left · {q.legend(a.KEY_ID)}"),
        Query(f"max({gauge(c.RATE_LIMIT)})", "cap"),
    ]
    utilization = Query(top(10, gauge(c.QUOTA_UTILIZATION)), q.legend(a.MODEL))
    usd = Field("currencyUSD", nothing="no window is known")
    return [
        Tile(lines(window, left, usd, Look(limit="cap")), 8, 7),
        Tile(bars(fullest, utilization, q.MODEL_SPENT, most=1), 8, 7),
        Tile(rows(model, queries, columns, hidden=q.ACCOUNT_COLUMN), 8, 7),
    ]


def _traffic() -> list[Tile]:
    return [traffic.newest(8, many=False), traffic.responses(), traffic.refusals(many=False)]


def page() -> Page:
    """One account in depth."""
    return Page(
        uid=IN_DEPTH,
        title="ByteSpike / Account",
        description="One ByteSpike account in depth: money, spend, limits, traffic and books.",
        sections=(
            Section("Money", _money()),
            Section("Spend", _spend()),
            Section("Tokens and requests", _tokens()),
            Section("Limits", _limits()),
            Section(traffic.TITLE, _traffic()),
            Section("Books", books()),
        ),
        many=False,
        annotations=movements(),
    )

"""All accounts at a glance: who runs dry first, what is spent, which limit comes next."""

from __future__ import annotations

from exporter.metrics import attributes as a
from exporter.metrics import catalogue as c
from exporter.metrics.prometheus import label_name
from scripts.dashboards import common as q
from scripts.dashboards import limits
from scripts.dashboards.frame import OVERVIEW, Page, Section, Tile, account_link, to_account
from scripts.dashboards.panels import Column, Field, Look, Query, Text, bars, lines, rows, single
from scripts.dashboards.promql import RANGE, gauge, growth, labels, series, top

_ACCOUNT = label_name(a.ACCOUNT)
_IN_RANGE = Field("currencyUSD", 2, nothing="nothing was spent")


def _numbers() -> list[Tile]:
    shortest = Text(
        "Shortest runway",
        "How long the account lasts that runs dry first, at its present rate of spending.",
    )
    balance = Text("Balance of all", "What is left to spend, all chosen accounts together.")
    hour = Text("Spent in the last hour", "Billed for API calls, all chosen accounts together.")
    day = Text("Spent in the last 24 h", "Billed for API calls, all chosen accounts together.")
    low = Text("Low balances", "Accounts that the gateway calls low: at or under their threshold.")
    silent = Text(
        "Accounts with failures", "Accounts of which the last poll of some endpoint failed."
    )
    return [
        Tile(single(shortest, Query(f"min({q.RUNWAY_LEFT})", ""), q.RUNWAY), 4, 4),
        Tile(single(balance, Query(f"sum({q.BALANCE})", ""), q.USD, sparkline=True), 4, 4),
        Tile(single(hour, Query(f"sum({q.spent('1h')})", ""), q.SPENT, sparkline=True), 4, 4),
        Tile(single(day, Query(f"sum({q.spent('24h')})", ""), q.SPENT), 4, 4),
        Tile(single(low, Query(f"sum({q.LOW})", ""), Field("short", 0, limits.ANY)), 4, 4),
        Tile(
            single(silent, Query(f"sum(1 - {q.ANSWERS})", ""), Field("short", 0, limits.ANY)), 4, 4
        ),
    ]


def _who() -> Tile:
    text = Text(
        "Who runs dry first",
        "Shortest runway on top; an account that spends nothing has none and comes last. "
        "An empty cell is unknown, not zero. While usage cannot be read, spending stands still; "
        "it is caught up later. Click an account to see it in depth.",
    )
    tier = f"max by {labels((a.ACCOUNT, a.TIER))} ({series(c.ACCOUNT_INFO)})"
    queries = (
        f"sort({q.RUNWAY_LEFT})",
        q.BALANCE,
        q.THRESHOLD,
        q.spent("1h"),
        q.spent("24h"),
        q.WINDOW_LEFT_BY_ACCOUNT,
        q.ORGANIZATION,
        q.ANSWERS,
        tier,
    )
    columns = {
        _ACCOUNT: Column("Account"),
        label_name(a.TIER): Column("Tier", width=110),
        "Value #A": Column("Runway", Field("s", 1, limits.RUNWAY), 115),
        "Value #B": Column("Balance", Field("currencyUSD", 2, limits.BALANCE), 115),
        "Value #C": Column("Low at", q.USD, 100),
        "Value #D": Column("Last hour", q.USD, 110),
        "Value #E": Column("Last 24 h", q.USD, 110),
        "Value #F": Column("Window left", q.WINDOW_LEFT, 130, gauge=True),
        "Value #G": Column("Organization", Field("currencyUSD", 2, limits.ORGANIZATION), 120),
        "Value #H": Column("Gateway", Field("short", 0), 100, values=q.ALL_UP),
    }
    account = account_link('${__data.fields["Account"]}')
    # The last query is there for its label; its value says nothing.
    return Tile(
        rows(text, queries, columns, links={"Account": account}, hidden=("Value #I",)), 24, 7
    )


def _over_time() -> list[Tile]:
    runway = Text(
        "Runway",
        "How long each balance lasts at the mean rate of spending of the last hours. "
        "The dashed lines are where the alerts begin. A gap: nothing was spent, or nothing known.",
    )
    balance = Text("Balance", "What is left to spend, net of holds. It jumps with a top-up.")
    by_account, usd = q.legend(a.ACCOUNT), Field("currencyUSD")
    return [
        Tile(
            lines(runway, [Query(q.RUNWAY_LEFT, by_account)], q.RUNWAY, links=to_account()), 12, 8
        ),
        Tile(
            lines(balance, [Query(q.BALANCE, by_account)], usd, links=to_account()),
            12,
            8,
        ),
    ]


def _spend() -> list[Tile]:
    hour = Text(
        "Spend per hour",
        "Billed for API calls by account. A bar stands at the end of its hour.",
    )
    day = Text(
        "Spend per day",
        "Billed for API calls by account, the last 14 days whatever range is chosen. "
        "A bar stands at the end of its day (24 h, UTC).",
    )
    keys = Text("Top keys", "Keys that cost most in the chosen range, by the name first seen.")
    models = Text("Top models", "Models that cost most in the chosen range.")
    by_account = q.legend(a.ACCOUNT)
    key_growth = top(10, f"{growth(c.USAGE_COST, q.BY_KEY, RANGE)} > 0")
    model_growth = top(10, f"{growth(c.USAGE_COST, q.BY_MODEL, RANGE)} > 0")
    return [
        Tile(
            lines(
                hour,
                [Query(q.spent("1h"), by_account)],
                q.SPENT,
                Look(stacked=True, columns=True, step="1h"),
                to_account(),
            ),
            12,
            8,
        ),
        Tile(
            lines(
                day,
                [Query(q.spent("1d"), by_account)],
                q.SPENT,
                Look(stacked=True, columns=True, step="1d", last="14d"),
                to_account(),
            ),
            12,
            8,
        ),
        Tile(
            bars(
                keys,
                Query(key_growth, q.legend(a.ACCOUNT, a.KEY_NAME)),
                _IN_RANGE,
                links=to_account(),
            ),
            12,
            9,
        ),
        Tile(
            bars(
                models,
                Query(model_growth, q.legend(a.ACCOUNT, a.MODEL)),
                _IN_RANGE,
                links=to_account(),
            ),
            12,
            9,
        ),
    ]


def _limits() -> list[Tile]:
    window = Text(
        "Rate limit: what is left",
        "Share of the rolling spend window that is closest to constraining each key. "
        "At zero the gateway answers 429 until the window resets.",
    )
    model = Text(
        "Model caps: what is spent",
        "The models closest to their cap, 100 % is all.",
    )
    key = Text(
        "Key caps: what is left",
        "What is left of the lifetime caps of the keys that the exporters use. It does not reset.",
    )
    left = Field("currencyUSD", 2, limits.KEY_LEFT, nothing="no key has a cap")
    utilization = top(10, gauge(c.QUOTA_UTILIZATION))
    by_key = q.legend(a.ACCOUNT, a.KEY_ID)
    return [
        Tile(
            bars(
                window,
                Query(f"sort({q.RATE_LEFT})", by_key),
                q.WINDOW_LEFT,
                most=1,
                links=to_account(),
            ),
            8,
            7,
        ),
        Tile(
            bars(
                model,
                Query(utilization, q.legend(a.ACCOUNT, a.MODEL)),
                q.MODEL_SPENT,
                most=1,
                links=to_account(),
            ),
            8,
            7,
        ),
        Tile(bars(key, Query(f"sort({q.KEY_LEFT})", by_key), left, links=to_account()), 8, 7),
    ]


def page() -> Page:
    """The overview."""
    return Page(
        uid=OVERVIEW,
        title="ByteSpike / Overview",
        description="Balance, runway, spend and limits of every ByteSpike account.",
        sections=(
            Section("Money", [*_numbers(), _who(), *_over_time()]),
            Section("Spend", _spend()),
            Section("Limits", _limits()),
        ),
        many=True,
    )

"""All accounts at a glance: who runs dry first, what is spent, which limit comes next."""

from __future__ import annotations

from exporter.metrics import attributes as a
from exporter.metrics import catalogue as c
from exporter.metrics.prometheus import label_name
from scripts.dashboards import common as q
from scripts.dashboards import limits
from scripts.dashboards.frame import OVERVIEW, Page, Section, account_link, linked
from scripts.dashboards.panels import Column, Field, Look, Tile, bars, lines, rows, single
from scripts.dashboards.promql import RANGE, gauge, growth, labels, once, series, top

_BY_ACCOUNT = q.legend(a.ACCOUNT)
_WIDE = (12, 8)


def _numbers() -> list[Tile]:
    accounts = Field("short", 0, limits.ANY)
    own, organizations = once(q.OWN_BALANCE), once(q.ORGANIZATIONS_BALANCE, a.ORGANIZATION_ID)
    # fmt: off
    return [
        single("Shortest runway",
               "How long the account lasts that runs dry first, at its present rate of spending.",
               f"min({q.RUNWAY_LEFT})", q.RUNWAY),
        single("Balance of all",
               "What is left to spend, all chosen accounts together; a wallet that pays for "
               "several of them counts once.",
               f"sum({own} or {organizations})", q.USD, sparkline=True),
        single("Spent in the last hour", "Billed for API calls; accounts of one user count once.",
               f"sum({once(q.spent('1h'))})", q.SPENT, sparkline=True),
        single("Spent in the last 24 h", "Billed for API calls; accounts of one user count once.",
               f"sum({once(q.spent('24h'))})", q.SPENT),
        single("Low balances", "Accounts that the gateway calls low: at or under their threshold.",
               f"sum({q.LOW})", accounts),
        single("Accounts with failures", "Accounts of which the last poll of some endpoint failed.",
               f"sum(1 - {q.ANSWERS})", accounts),
    ]
    # fmt: on


def _who() -> Tile:
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
        label_name(a.ACCOUNT): Column("Account", url=account_link('${__data.fields["Account"]}')),
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
    return rows(
        "Who runs dry first",
        "Shortest runway on top; an account that spends nothing has none and comes last. "
        "An empty cell is unknown, not zero. While usage cannot be read, spending stands still; "
        "it is caught up later. Click an account to see it in depth.",
        queries,
        columns,
        (24, 7),
        hidden=("Value #I",),  # the tier's query is there for its label
    )


def _over_time() -> list[Tile]:
    return [
        lines(
            "Runway",
            "How long each balance lasts at the mean rate of spending of the last hours. The "
            "dashed lines are where the alerts begin. A gap: nothing was spent, or nothing known.",
            {_BY_ACCOUNT: q.RUNWAY_LEFT},
            q.RUNWAY,
            _WIDE,
        ),
        lines(
            "Balance",
            "What is left to spend, net of holds. It jumps with a top-up.",
            {_BY_ACCOUNT: q.BALANCE},
            Field("currencyUSD"),
            _WIDE,
        ),
    ]


def _spend() -> list[Tile]:
    by_key, by_model = (growth(c.USAGE_COST, by, RANGE) for by in (q.BY_KEY, q.BY_MODEL))
    in_range = Field("currencyUSD", 2, nothing="nothing was spent")
    return [
        lines(
            "Spend per hour",
            "Billed for API calls by account. A bar stands at the end of its hour.",
            {_BY_ACCOUNT: once(q.spent("1h"))},
            q.SPENT,
            _WIDE,
            Look(stacked=True, columns=True, step="1h"),
        ),
        lines(
            "Spend per day",
            "Billed for API calls by account, the last 14 days whatever range is chosen. "
            "A bar stands at the end of its day (24 h, UTC).",
            {_BY_ACCOUNT: once(q.spent("1d"))},
            q.SPENT,
            _WIDE,
            Look(stacked=True, columns=True, step="1d", last="14d"),
        ),
        bars(
            "Top keys",
            "Keys that cost most in the chosen range, by the name first seen.",
            {q.legend(a.ACCOUNT, a.KEY_NAME): top(10, f"{by_key} > 0")},
            in_range,
            (12, 9),
        ),
        bars(
            "Top models",
            "Models that cost most in the chosen range.",
            {q.legend(a.ACCOUNT, a.MODEL): top(10, f"{by_model} > 0")},
            in_range,
            (12, 9),
        ),
    ]


def _limits() -> list[Tile]:
    by_key = q.legend(a.ACCOUNT, a.KEY_ID)
    return [
        bars(
            "Rate limit: what is left",
            "Share of the rolling spend window that is closest to constraining each key. "
            "At zero the gateway answers 429 until the window resets.",
            {by_key: f"sort({q.RATE_LEFT})"},
            q.WINDOW_LEFT,
            most=1,
        ),
        bars(
            "Model caps: what is spent",
            "The models closest to their cap, 100 % is all.",
            {q.legend(a.ACCOUNT, a.MODEL): top(10, gauge(c.QUOTA_UTILIZATION))},
            q.MODEL_SPENT,
            most=1,
        ),
        bars(
            "Key caps: what is left",
            "What is left of the lifetime caps of the keys that the exporters use. "
            "It does not reset.",
            {by_key: f"sort({q.KEY_LEFT})"},
            Field("currencyUSD", 2, limits.KEY_LEFT, nothing="no key has a cap"),
        ),
    ]


def page() -> Page:
    return Page(
        uid=OVERVIEW,
        title="ByteSpike / Overview",
        description="Balance, runway, spend and limits of every ByteSpike account.",
        sections=(
            Section("Money", [*_numbers(), _who(), *linked(_over_time())]),
            Section("Spend", linked(_spend())),
            Section("Limits", linked(_limits())),
        ),
        many=True,
    )

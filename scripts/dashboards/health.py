"""The exporter's own health: does it hear the gateway, is it heard, does it understand all."""

from __future__ import annotations

from exporter.metrics import attributes as a
from exporter.metrics import catalogue as c
from exporter.metrics.prometheus import label_name, prometheus_name
from scripts.dashboards import common as q
from scripts.dashboards import limits, traffic
from scripts.dashboards.frame import HEALTH, Page, Section, linked
from scripts.dashboards.panels import (
    BLUE,
    GREEN,
    ORANGE,
    RED,
    Column,
    Field,
    Look,
    Tile,
    bars,
    lines,
    rows,
    single,
    states,
)
from scripts.dashboards.promql import (
    RANGE,
    RATE,
    gauge,
    growth,
    labels,
    matcher,
    quantile,
    rate,
    top,
)

_OUTCOME = label_name(a.OUTCOME)
_AGE = f"time() - {gauge(c.LAST_SUCCESS)}"
_FAILED = f'{_OUTCOME}!="success"'
_PER_ENDPOINT = q.legend(a.ACCOUNT, a.ENDPOINT)
_NO_OTLP = "no OTLP is sent"
_NO_USAGE = "usage is off"
_MINUTE = 60
_BY_OUTCOME = Look(
    stacked=True,
    colors={
        "success": GREEN,
        "counted": GREEN,
        "duplicate": BLUE,
        "partial": ORANGE,
        "failure": RED,
        "rejected": RED,
        "auth": RED,
        "server_error": ORANGE,
    },
)


def _export_failures(window: str) -> str:
    """Share of exports that failed or lost points, of the exporter that is worst off."""
    exports, attributes = prometheus_name(c.EXPORTS), labels((a.OUTCOME,))
    bad = f'sum without {attributes} (rate({exports}{{{_OUTCOME}=~"failure|partial"}}[{window}]))'
    every = f"sum without {attributes} (rate({exports}[{window}]))"
    return f"max({bad} / ({every} > 0))"


def _numbers() -> list[Tile]:
    rejected = growth(c.USAGE_ROWS, q.BY_ACCOUNT, "24h", matcher(a.OUTCOME, "rejected"))
    usage_off = Field("short", 0, limits.ANY, nothing=_NO_USAGE)
    # fmt: off
    return [
        single("Exporters", "How many report. One that ends still counts for 5 minutes.",
               f"count({prometheus_name(c.BUILD_INFO)})", Field("short", 0)),
        single("Endpoints failing", "Endpoints of accounts whose last poll failed everywhere.",
               f"sum(1 - {gauge(c.GATEWAY_UP)})", Field("short", 0, limits.ANY)),
        single("Oldest endpoint", "Time since the last success of the endpoint that waits longest.",
               f"max({_AGE})", Field("s", 0, limits.AGE, nothing="none has answered")),
        single("Exports failing",
               "Share of OTLP exports of the last 15 minutes that failed or lost points, of the "
               "exporter that is worst off.",
               _export_failures("15m"),
               Field("percentunit", 0, limits.EXPORT_FAILURES, nothing=_NO_OTLP)),
        single("Rows rejected in 24 h", "Usage rows that could not be understood or counted.",
               f"round(sum({rejected}))", usage_off),
        single("Series folded", 'Keys and models counted as "other": usage.max_series is hit.',
               f"sum({gauge(c.SERIES_FOLDED)})", usage_off),
    ]
    # fmt: on


def _age() -> Tile:
    return lines(
        "Time since the last success",
        "Of each endpoint, in the exporter that succeeded last. The dashed line: it counts as "
        "stale, and an alert begins.",
        {_PER_ENDPOINT: _AGE},
        Field("s", None, limits.AGE),
        (12, 8),
    )


def _gateway() -> list[Tile]:
    each = rate(c.POLLS, (a.ACCOUNT, a.OUTCOME), per=_MINUTE)
    failures = growth(c.POLLS, c.POLLS.attributes, RANGE, _FAILED)
    quantiles = {
        f"{name} · {q.legend(a.ENDPOINT)}": quantile(c.POLL_DURATION, share, (a.ENDPOINT,))
        for share, name in ((0.5, "50 %"), (0.95, "95 %"))
    }
    return [
        states(
            "Endpoints",
            "Whether the last poll of each endpoint succeeded, in any exporter.",
            {_PER_ENDPOINT: gauge(c.GATEWAY_UP)},
            q.UP,
            (12, 8),
        ),
        *linked([_age()]),
        lines(
            "Polls per minute",
            "Polls by outcome, of one exporter for each account.",
            {q.legend(a.OUTCOME): f"sum by {labels((a.OUTCOME,))} ({each})"},
            Field("short", 1),
            (8, 8),
            _BY_OUTCOME,
        ),
        lines(
            "Poll duration",
            "Half of the polls and 95 % of them took no longer; waits included.",
            quantiles,
            Field("s", None),
            (8, 8),
        ),
        bars(
            "Failed polls",
            "In the chosen range, by endpoint and reason; most first.",
            {q.legend(a.ACCOUNT, a.ENDPOINT, a.OUTCOME): top(12, f"round({failures}) > 0")},
            Field("short", 0, nothing="no poll failed"),
            (8, 8),
        ),
    ]


def _position() -> list[Tile]:
    began = {
        label_name(a.ACCOUNT): Column("Account"),
        "Value": Column("Counted since", Field("dateTimeFromNow"), 150),
    }
    behind, ahead = (
        lines(
            "Usage is behind",
            "How long ago the time is up to which usage is counted. The dashed line: an alert "
            "begins.",
            {q.legend(a.ACCOUNT): f"time() - {gauge(c.USAGE_POSITION)}"},
            Field("s", None, limits.LAG, nothing=_NO_USAGE),
            (8, 8),
        ),
        lines(
            "The gateway's clock",
            "How far it is ahead of the exporter's. What is counted goes by the gateway's.",
            {q.legend(a.ACCOUNT): gauge(c.CLOCK_OFFSET)},
            Field("s", 1, nothing="the gateway does not tell its time"),
            (8, 8),
            Look(signed=True),
        ),
    )
    return [
        *linked([behind, ahead]),
        rows(
            "Counting began",
            "Nothing before it is in the counters.",
            (f"{gauge(c.USAGE_START)} * 1000",),
            began,
            (8, 8),
        ),
    ]


def _out() -> list[Tile]:
    by_outcome, legend = labels((a.OUTCOME,)), q.legend(a.OUTCOME)
    sent = f"rate({prometheus_name(c.EXPORTS)}[{RATE}])"
    read = rate(c.USAGE_ROWS, (a.ACCOUNT, a.OUTCOME), per=_MINUTE)
    columns = {
        "version": Column("Version"),
        "python": Column("Python"),
        "Value": Column("Exporters", Field("short", 0), 110),
    }
    return [
        lines(
            "Exports per minute",
            "OTLP exports by outcome, of the exporter with most of each. Partial: points were "
            "refused.",
            {legend: f"max by {by_outcome} ({sent}) * {_MINUTE}"},
            Field("short", 1, nothing=_NO_OTLP),
            look=_BY_OUTCOME,
        ),
        lines(
            "Usage rows per minute",
            "Rows and buckets read, by what became of them. Duplicates are usual: the newest rows "
            "are read again until they are final.",
            {legend: f"sum by {by_outcome} ({read})"},
            Field("short", 1, nothing=_NO_USAGE),
            look=_BY_OUTCOME,
        ),
        rows(
            "Versions",
            "Which exporters report, by version and Python.",
            (f"count by {labels(c.BUILD_INFO.attributes)} ({prometheus_name(c.BUILD_INFO)})",),
            columns,
        ),
    ]


def page() -> Page:
    calls = [
        traffic.freshness(),
        traffic.newest(12, many=True),
        traffic.responses(),
        traffic.refusals(many=True),
        *traffic.taps(),
    ]
    return Page(
        uid=HEALTH,
        title="ByteSpike / Exporter",
        description="Health of the ByteSpike exporter: polls, freshness, exports, rows and tap.",
        sections=(
            Section("Health", _numbers()),
            Section("Gateway", _gateway()),
            Section("How far usage is counted", _position()),
            Section("Exports and rows", _out()),
            Section(traffic.TITLE, calls),
        ),
        many=True,
        since="now-6h",
    )

"""The exporter's own health: does it hear the gateway, is it heard, does it understand all."""

from __future__ import annotations

from exporter.metrics import attributes as a
from exporter.metrics import catalogue as c
from exporter.metrics.prometheus import label_name, prometheus_name
from scripts.dashboards import common as q
from scripts.dashboards import limits, traffic
from scripts.dashboards.frame import HEALTH, Page, Section, Tile, to_account
from scripts.dashboards.panels import (
    BLUE,
    GREEN,
    ORANGE,
    RED,
    Column,
    Field,
    Look,
    Query,
    Text,
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

_ENDPOINT = labels((a.ACCOUNT, a.ENDPOINT))
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
    running = f"count({prometheus_name(c.BUILD_INFO)})"
    failing = f"sum(1 - {gauge(c.GATEWAY_UP)})"
    rejected = growth(c.USAGE_ROWS, q.BY_ACCOUNT, "24h", matcher(a.OUTCOME, "rejected"))
    folded = f"sum({gauge(c.SERIES_FOLDED)})"
    some = Field("short", 0, limits.ANY)
    usage_off = Field("short", 0, limits.ANY, nothing=_NO_USAGE)
    failures = Field("percentunit", 0, limits.EXPORT_FAILURES, nothing=_NO_OTLP)
    tiles = (
        single(
            Text("Exporters", "How many report. One that ends still counts for 5 minutes."),
            Query(running, ""),
            Field("short", 0),
        ),
        single(
            Text("Endpoints failing", "Endpoints of accounts whose last poll failed everywhere."),
            Query(failing, ""),
            some,
        ),
        single(
            Text(
                "Oldest endpoint", "Time since the last success of the endpoint that waits longest."
            ),
            Query(f"max({_AGE})", ""),
            Field("s", 0, limits.AGE, nothing="none has answered"),
        ),
        single(
            Text(
                "Exports failing",
                "Share of OTLP exports of the last 15 minutes that failed or lost points, of the "
                "exporter that is worst off.",
            ),
            Query(_export_failures("15m"), ""),
            failures,
        ),
        single(
            Text("Rows rejected in 24 h", "Usage rows that could not be understood or counted."),
            Query(f"round(sum({rejected}))", ""),
            usage_off,
        ),
        single(
            Text(
                "Series folded",
                'Keys and models counted as "other": usage.max_series is hit.',
            ),
            Query(folded, ""),
            usage_off,
        ),
    )
    return [Tile(tile, 4, 4) for tile in tiles]


def _gateway() -> list[Tile]:
    up = Text("Endpoints", "Whether the last poll of each endpoint succeeded, in any exporter.")
    age = Text(
        "Time since the last success",
        "Of each endpoint, in the exporter that succeeded last. The dashed line: it counts as "
        "stale, and an alert begins.",
    )
    polls = Text("Polls per minute", "Polls by outcome, of one exporter for each account.")
    duration = Text(
        "Poll duration", "Half of the polls and 95 % of them took no longer; waits included."
    )
    failed = Text("Failed polls", "In the chosen range, by endpoint and reason; most first.")
    each = rate(c.POLLS, (a.ACCOUNT, a.OUTCOME), per=_MINUTE)
    by_outcome = Query(f"sum by {labels((a.OUTCOME,))} ({each})", q.legend(a.OUTCOME))
    quantiles = [
        Query(quantile(c.POLL_DURATION, share, (a.ENDPOINT,)), f"{name} · {q.legend(a.ENDPOINT)}")
        for share, name in ((0.5, "50 %"), (0.95, "95 %"))
    ]
    failures = growth(c.POLLS, c.POLLS.attributes, RANGE, _FAILED)
    reasons = Query(top(12, f"round({failures}) > 0"), q.legend(a.ACCOUNT, a.ENDPOINT, a.OUTCOME))
    return [
        Tile(states(up, Query(gauge(c.GATEWAY_UP), _PER_ENDPOINT), q.UP, Field("short")), 12, 8),
        Tile(
            lines(
                age,
                [Query(_AGE, _PER_ENDPOINT)],
                Field("s", None, limits.AGE),
                links=to_account(),
            ),
            12,
            8,
        ),
        Tile(lines(polls, [by_outcome], Field("short", 1), _BY_OUTCOME), 8, 8),
        Tile(lines(duration, quantiles, Field("s", None)), 8, 8),
        Tile(bars(failed, reasons, Field("short", 0, nothing="no poll failed")), 8, 8),
    ]


def _out() -> list[Tile]:
    exports = Text(
        "Exports per minute",
        "OTLP exports by outcome, of the exporter with most of each. Partial: points were refused.",
    )
    rows_read = Text(
        "Usage rows per minute",
        "Rows and buckets read, by what became of them. Duplicates are usual: the newest rows are "
        "read again until they are final.",
    )
    builds = Text("Versions", "Which exporters report, by version and Python.")
    sent = Query(
        f"max by {labels((a.OUTCOME,))} (rate({prometheus_name(c.EXPORTS)}[{RATE}])) * {_MINUTE}",
        q.legend(a.OUTCOME),
    )
    each = rate(c.USAGE_ROWS, (a.ACCOUNT, a.OUTCOME), per=_MINUTE)
    read = Query(f"sum by {labels((a.OUTCOME,))} ({each})", q.legend(a.OUTCOME))
    build = f"count by {labels(c.BUILD_INFO.attributes)} ({prometheus_name(c.BUILD_INFO)})"
    columns = {
        "version": Column("Version"),
        "python": Column("Python"),
        "Value": Column("Exporters", Field("short", 0), 110),
    }
    return [
        Tile(lines(exports, [sent], Field("short", 1, nothing=_NO_OTLP), _BY_OUTCOME), 8, 7),
        Tile(lines(rows_read, [read], Field("short", 1, nothing=_NO_USAGE), _BY_OUTCOME), 8, 7),
        Tile(rows(builds, (build,), columns), 8, 7),
    ]


def _traffic() -> list[Tile]:
    return [
        traffic.freshness(),
        traffic.newest(12, many=True),
        traffic.responses(),
        traffic.refusals(many=True),
        *traffic.taps(),
    ]


def page() -> Page:
    """The exporter's own health."""
    return Page(
        uid=HEALTH,
        title="ByteSpike / Exporter",
        description="Health of the ByteSpike exporter: polls, freshness, exports, rows and tap.",
        sections=(
            Section("Health", _numbers()),
            Section("Gateway", _gateway()),
            Section("Exports and rows", _out()),
            Section(traffic.TITLE, _traffic()),
        ),
        many=True,
        since="now-6h",
    )

"""What the tap sees of the applications' own calls, and how tap and webhook fare.

Every tap sees other calls, so that what they count is added up over exporters; of one call only one
tap tells. Where there is no tap, panels say so.
"""

from __future__ import annotations

from exporter.metrics import attributes as a
from exporter.metrics import catalogue as c
from exporter.metrics.metric import Metric
from exporter.metrics.prometheus import label_name, prometheus_name
from scripts.dashboards import common as q
from scripts.dashboards import limits
from scripts.dashboards.panels import (
    BLUE,
    GREEN,
    ORANGE,
    RED,
    STACKED,
    Column,
    Field,
    Tile,
    bars,
    lines,
    rows,
)
from scripts.dashboards.promql import RANGE, RATE, gauge, labels, matcher, series

TITLE = "Traffic (tap)"

_SEEN = f"time() - {gauge(c.TAP_LAST)}"
_POLLED = (
    f"max by {labels((a.ACCOUNT,))} ({series(c.LAST_SUCCESS, matcher(a.ENDPOINT, 'account'))})"
)
_POLLED_OF_KEY = (
    f"time() - {_POLLED} + on {labels((a.ACCOUNT,))} group_right () 0 * {gauge(c.TAP_LAST)}"
)
_CLASSES = {"2xx": GREEN, "3xx": BLUE, "4xx": ORANGE, "5xx": RED}
_OBSERVED = {
    "accepted": GREEN,
    "malformed": RED,
    "outdated": ORANGE,
    "impossible": RED,
    "unknown_key": ORANGE,
    "too_many_keys": ORANGE,
    "dropped": RED,
}
_UNSEEN = "no tap, or no call seen"
_CALLS = Field("short", 1, nothing=_UNSEEN)


def _per_minute(metric: Metric, *by: str) -> dict[str, str]:
    return {q.legend(*by): f"sum by {labels(by)} (rate({series(metric)}[{RATE}])) * 60"}


def freshness() -> Tile:
    """How old what is known is, by who told it."""
    by = (a.ACCOUNT, a.SOURCE)
    return lines(
        "Freshness by source",
        "Time since the newest call that was seen, by account and source: a hook in an "
        "application, or the log of a proxy. Beside it the time since the account was last "
        "polled. The dashed line: a poll counts as stale. Calls may rest as long as "
        "applications do.",
        {
            q.legend(*by): f"min by {labels(by)} ({_SEEN})",
            f"{q.legend(a.ACCOUNT)} · account poll": f"time() - {_POLLED}",
        },
        Field("s", None, limits.AGE),
        (12, 8),
    )


def newest(width: int, *, many: bool) -> Tile:
    """The same key by key. `many`: of several accounts."""
    account = {label_name(a.ACCOUNT): Column("Account")} if many else {}
    columns = account | {
        label_name(a.KEY_ID): Column("Masked key"),
        label_name(a.SOURCE): Column("Source", width=90),
        "Value #A": Column("Seen", Field("s", 0), 100),
        "Value #B": Column("Polled", Field("s", 0, limits.AGE), 100),
    }
    return rows(
        "Newest calls seen",
        "Time since the newest call, by key and by who saw it, newest first; and since the poll "
        "of the key's account.",
        (f"sort({_SEEN})", _POLLED_OF_KEY),
        columns,
        (width, 8),
        hidden=() if many else q.ACCOUNT_COLUMN,
        nothing=_UNSEEN,
    )


def responses() -> Tile:
    return lines(
        "Responses per minute",
        "Calls of applications by the class of their status, of all taps together.",
        _per_minute(c.TAP_RESPONSES, a.STATUS_CLASS),
        _CALLS,
        (8, 8),
        STACKED._replace(colors=_CLASSES),
    )


def refusals(*, many: bool) -> Tile:
    """What the gateway refused. `many`: by account, else by key."""
    return lines(
        "Refused calls per minute",
        "402: wallet or cap is used up. 429: a spend window is used up, or too many calls of the "
        "account are in flight. An alert begins where it is more than a small share of a key's "
        "calls.",
        _per_minute(c.TAP_REFUSALS, a.ACCOUNT if many else a.KEY_ID, a.STATUS_CODE),
        _CALLS,
        (8, 8),
    )


def taps() -> list[Tile]:
    """How tap and webhook themselves fare, all accounts together."""
    delivered = f"increase({prometheus_name(c.WEBHOOK_DELIVERIES)}[{RANGE}])"
    by_outcome = f"sum by {labels((a.OUTCOME,))} ({delivered})"
    return [
        lines(
            "Observations per minute",
            "What taps were told, of all accounts, by what became of it. Other than accepted: the "
            "call is in no metric.",
            _per_minute(c.TAP_OBSERVATIONS, a.OUTCOME),
            Field("short", 1, nothing="there is no tap"),
            (8, 8),
            STACKED._replace(colors=_OBSERVED),
        ),
        bars(
            "Webhook deliveries",
            "In the chosen range, by what became of them. Unsigned: the signature is missing or "
            "wrong. Unconfigured: the secret cannot be read.",
            {q.legend(a.OUTCOME): f"sort_desc(round({by_outcome}) > 0)"},
            Field("short", 0, nothing="no webhook, or nothing came"),
        ),
    ]

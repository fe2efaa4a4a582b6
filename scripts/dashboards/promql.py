"""Queries over the catalogue that give the same numbers with one exporter or with many.

Several exporters may watch one account. Each sends its own series, told apart by labels that
depend on the way they took (`instance`, `job`, `service_instance_id`, or a version). So a query
adds up inside each exporter first, with `without`, which keeps those labels whatever they are
called, and then takes the largest exporter with `max by`. The other order would count a key twice
whose name two exporters learned at different times.
"""

from __future__ import annotations

from exporter.metrics.attributes import ACCOUNT, GATEWAY, USER_ID
from exporter.metrics.catalogue import ACCOUNT_INFO, GATEWAY_INFO
from exporter.metrics.metric import Metric, MetricKind
from exporter.metrics.prometheus import label_name, prometheus_name

RATE = "$__rate_interval"
RANGE = "$__range"

HOUR = 3600


def matcher(attribute: str, value: str) -> str:
    """A matcher for exactly this value."""
    return f'{label_name(attribute)}="{value}"'


def series(metric: Metric, *matchers: str, suffix: str = "") -> str:
    """The series of the chosen accounts; of every account where a metric names none."""
    chosen = [f'{label_name(ACCOUNT)}=~"$account"'] if ACCOUNT in metric.attributes else []
    inside = ", ".join([*chosen, *matchers])
    return f"{prometheus_name(metric)}{suffix}" + (f"{{{inside}}}" if inside else "")


def labels(attributes: tuple[str, ...]) -> str:
    """As they stand behind `by` and `without`."""
    return f"({', '.join(label_name(attribute) for attribute in attributes)})"


def gauge(metric: Metric, *matchers: str, of: str = "max") -> str:
    """The value of a gauge, or total of a counter: one series for each set of attributes.

    `of` says which exporter is believed where they differ: "max" or "min".
    """
    return f"{of} by {labels(metric.attributes)} ({series(metric, *matchers)})"


def growth(metric: Metric, by: tuple[str, ...], window: str, *matchers: str) -> str:
    """What a counter grew by in `window`, added up to the attributes `by`."""
    return _folded(metric, by, f"increase({series(metric, *matchers)}[{window}])")


def rate(metric: Metric, by: tuple[str, ...], *matchers: str, per: int = 1) -> str:
    """The same as a rate, for each `per` seconds."""
    inside = _folded(metric, by, f"rate({series(metric, *matchers)}[{RATE}])")
    return inside if per == 1 else f"{inside} * {per}"


def quantile(metric: Metric, share: float, by: tuple[str, ...]) -> str:
    """The quantile of a histogram, of whichever exporter has the most in each bucket."""
    assert metric.kind is MetricKind.HISTOGRAM
    buckets = f"rate({series(metric, suffix='_bucket')}[{RATE}])"
    each = f"max by {labels((*metric.attributes, 'le'))} ({buckets})"
    return f"histogram_quantile({share:g}, sum by {labels((*by, 'le'))} ({each}))"


def once(query: str, whose: str = USER_ID) -> str:
    """Of accounts that are one wallet, by gateway and `whose`, only the one with the most."""
    by_account, by_wallet = labels((ACCOUNT,)), labels((GATEWAY, whose))
    info = series(ACCOUNT_INFO, f'{label_name(whose)}!=""')
    user, gateway = (f"topk by {by_account} (1, {of})" for of in (info, series(GATEWAY_INFO)))
    at_gateway = f"{user} * on {by_account} group_left {labels((GATEWAY,))} {gateway}"
    whose = f"({at_gateway} or {user} unless on {by_account} {series(GATEWAY_INFO)})"
    joined = f"{query} * on {by_account} group_left {by_wallet} {whose}"
    return f"(topk by {by_wallet} (1, {joined}) or {query} unless on {by_account} {info})"


def top(number: int, query: str) -> str:
    """The largest series of an instant, largest first."""
    return f"sort_desc(topk({number}, {query}))"


def _folded(metric: Metric, by: tuple[str, ...], inner: str) -> str:
    rest = tuple(attribute for attribute in metric.attributes if attribute not in by)
    added = f"sum without {labels(rest)} ({inner})" if rest else inner
    return f"max by {labels(by)} ({added})" if by else f"max({added})"

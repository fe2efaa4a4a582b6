"""PromQL against the catalogue: every metric and label that a query names must exist.

`problems(query)` says what does not; `metrics(query)` which of the catalogue's metrics it reads.
Queries are parsed, so that nothing in a text or a comment counts as a use. Dashboard queries may
hold `$variables`; they are filled in before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import promql_parser as p

from exporter.metrics.catalogue import CATALOGUE
from exporter.metrics.metric import Metric, MetricKind
from exporter.metrics.metric_reference import attribute_values
from exporter.metrics.prometheus import label_name, prometheus_name
from tests.deploy import shipped

_STORED = ("_bucket", "_sum", "_count")


def problems(query: str) -> list[str]:
    """What in the query the exporter does not have; one line each, none for a good query."""
    try:
        tree = p.parse(filled(query))
    except ValueError as error:
        return [f"does not parse: {error}: {query}"]
    found = [problem for selector in _selectors(tree) for problem in _of_selector(selector)]
    return found + list(_of_groupings(tree))


def metrics(query: str) -> set[str]:
    """The Prometheus names, of the catalogue, of the metrics that the query reads.

    A recorded series counts as what it is recorded from.
    """
    read: set[str] = set()
    for selector in _selectors(p.parse(filled(query))):
        if selector.name in _recorded():
            read |= metrics(_recorded()[selector.name])
        elif (metric := _metric(selector.name or "")) is not None:
            read.add(prometheus_name(metric))
    return read


def filled(query: str) -> str:
    """The query with Grafana's variables filled in: durations as 5m, anything else as x."""
    query = re.sub(r"\$__(rate_interval|interval|range)\b|\$\{__\w+\}", "5m", query)
    return re.sub(r"\$\w+|\$\{[^}]+\}|\[\[\w+\]\]", "x", query)


def labels(name: str) -> frozenset[str]:
    """The labels that a metric or recorded series can have; none for an unknown one."""
    if name in _recorded():
        return _labels_of(p.parse(_recorded()[name]))
    metric = _metric(name)
    if metric is None:
        return frozenset()
    own = {label_name(attribute) for attribute in metric.attributes}
    return frozenset(own | {"le"} if metric.kind is MetricKind.HISTOGRAM else own)


@cache
def _recorded() -> dict[str, str]:
    return {rule["record"]: rule["expr"] for rule in shipped.rules() if "record" in rule}


@cache
def _metrics() -> dict[str, Metric]:
    return {prometheus_name(metric): metric for metric in CATALOGUE}


def _metric(name: str) -> Metric | None:
    if name in _metrics() and _metrics()[name].kind is not MetricKind.HISTOGRAM:
        return _metrics()[name]
    for suffix in _STORED:
        metric = _metrics().get(name.removesuffix(suffix))
        if name.endswith(suffix) and metric is not None and metric.kind is MetricKind.HISTOGRAM:
            return metric
    return None


def _children(tree: p.Expr) -> Iterator[p.Expr]:
    match tree:
        case p.BinaryExpr():
            yield from (tree.lhs, tree.rhs)
        case p.AggregateExpr():
            yield from [tree.expr] + ([tree.param] if tree.param is not None else [])
        case p.Call():
            yield from tree.args
        case p.MatrixSelector():
            yield tree.vector_selector
        case p.UnaryExpr() | p.ParenExpr() | p.SubqueryExpr():
            yield tree.expr


def _every(tree: p.Expr) -> Iterator[p.Expr]:
    yield tree
    for child in _children(tree):
        yield from _every(child)


def _selectors(tree: p.Expr) -> Iterator[p.VectorSelector]:
    return (node for node in _every(tree) if isinstance(node, p.VectorSelector))


def _of_selector(selector: p.VectorSelector) -> Iterator[str]:
    name = selector.name
    if not name:
        yield f"a selector without a name: {selector}"
        return
    if name not in _recorded() and _metric(name) is None:
        yield f"no such metric: {name}"
        return
    for matcher in selector.matchers.matchers:
        if matcher.name not in labels(name):
            yield f"{name} has no label {matcher.name}"
        elif (wrong := _wrong_values(name, matcher)) and not _is_variable(matcher.value):
            yield f"{name} never has {matcher.name} {' or '.join(wrong)}"


def _is_variable(value: str) -> bool:
    return value in ("x", "", ".*", ".+")


def _wrong_values(name: str, matcher: p.Matcher) -> list[str]:
    metric = _metric(name)
    if metric is None:
        return []
    attribute = next((a for a in metric.attributes if label_name(a) == matcher.name), None)
    possible = attribute_values(metric, attribute) if attribute else ()
    exact = matcher.op in (p.MatchOp.Equal, p.MatchOp.NotEqual)
    values = [matcher.value] if exact else matcher.value.split("|")
    return [value for value in values if value not in possible] if possible else []


def _of_groupings(tree: p.Expr) -> Iterator[str]:
    for node in _every(tree):
        wanted = set(_grouping(node))
        below = {label for selector in _selectors(node) for label in labels(selector.name or "")}
        made = set(_made(node))
        for label in sorted(wanted - below - made):
            yield f"nothing under {node} has the label {label}"


def _grouping(node: p.Expr) -> Iterator[str]:
    """The labels that an aggregation or a matching of two sides names."""
    if isinstance(node, p.AggregateExpr) and node.modifier is not None:
        yield from node.modifier.labels
    if isinstance(node, p.BinaryExpr) and node.modifier is not None:
        if node.modifier.matching is not None:
            yield from node.modifier.matching.labels
        yield from node.modifier.group_labels or ()


def _made(tree: p.Expr) -> Iterator[str]:
    """The labels that `label_replace`, `label_join` and `count_values` make."""
    for node in _every(tree):
        if isinstance(node, p.Call) and node.func.name in ("label_replace", "label_join"):
            target = node.args[1]
            if isinstance(target, p.StringLiteral):
                yield target.val


def _labels_of(tree: p.Expr) -> frozenset[str]:
    """The labels of what an expression gives, as far as the catalogue knows them."""
    if isinstance(tree, p.AggregateExpr):
        inner = _labels_of(tree.expr)
        if tree.modifier is None:
            return frozenset()
        named = frozenset(tree.modifier.labels)
        by = tree.modifier.type == p.AggModifierType.By
        return inner & named if by else inner - named
    if isinstance(tree, p.VectorSelector):
        return labels(tree.name or "")
    return frozenset(label for child in _children(tree) for label in _labels_of(child))

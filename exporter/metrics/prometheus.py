"""A snapshot as Prometheus text or OpenMetrics 1.0, with the names of Prometheus' OTLP translation.

Written here rather than with prometheus_client, whose families cost a dict per sample and
four to nine times the processor time; its parsers judge this module's output in the tests.

Zero points are left out: a scrape holds one sample per series. What stands for them is `_created`,
the start of the series, which only OpenMetrics has: Prometheus with created-timestamp ingestion
turns it into the zero, without it the first increment of a new series is seen by OTLP only.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from exporter.live import DURATION_BOUNDS, Histogram
from exporter.metrics.catalogue import CATALOGUE, Kind, Metric
from exporter.metrics.snapshot import Point, Snapshot

_OPENMETRICS = "application/openmetrics-text"
_NANOS = 1_000_000_000
_BOUNDS = tuple(f'le="{bound}"' for bound in (*DURATION_BOUNDS, "+Inf"))
"""As OpenMetrics wants them: `1.0`."""

_TEXT_BOUNDS = tuple(bound.replace('.0"', '"') for bound in _BOUNDS)
"""As the OTLP translation spells them: `1`."""

_UNITS = {"USD": "USD", "s": "seconds", "1": "ratio", "": ""}


def content_type(openmetrics: bool) -> str:
    """The Content-Type of what `render` gives."""
    if openmetrics:
        return f"{_OPENMETRICS}; version=1.0.0; charset=utf-8"
    return "text/plain; version=0.0.4; charset=utf-8"


def negotiate(accept: str) -> bool:
    """Whether the sender of this Accept header wants OpenMetrics rather than plain text.

    OpenMetrics is given to those who name it, in version 1.0.0 or in any, at least as gladly as
    plain text. Everyone else, nonsense included, can read plain text.
    """
    openmetrics = text = 0.0
    for choice in accept.lower().split(","):
        media, *rest = (part.strip() for part in choice.split(";"))
        parameters = dict(part.partition("=")[::2] for part in rest)
        quality = _quality(parameters.get("q", "1"))
        if media == _OPENMETRICS:
            if parameters.get("version", "1.0.0").strip('"') == "1.0.0":
                openmetrics = max(openmetrics, quality)
        elif media == "text/plain":
            text = max(text, quality)
    return openmetrics > 0 and openmetrics >= text


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def prometheus_name(metric: Metric) -> str:
    """The name under which Prometheus stores a metric that came by OTLP, and `/metrics` serves it.

    Dots become underscores; then the unit, then `_total` for a counter. A unit in braces is an
    annotation and adds nothing. A histogram's samples add `_bucket`, `_sum` and `_count` to this.
    Raises ValueError for a unit whose translation is not known here.
    """
    total = "_total" if metric.kind is Kind.COUNTER else ""
    return _family(metric) + total


def label_name(attribute: str) -> str:
    """The label that an attribute becomes."""
    return attribute.replace(".", "_")


def render(snapshot: Snapshot, openmetrics: bool) -> bytes:
    """Every point of the snapshot, in the order of the catalogue, as UTF-8."""
    families: dict[str, list[Point]] = {metric.name: [] for metric in CATALOGUE}
    for point in snapshot.points:
        families[point.metric.name].append(point)
    quotes = _Quotes()
    lines: list[str] = []
    for metric in CATALOGUE:
        points = families[metric.name]
        if points:
            lines += _header(metric, openmetrics)
            lines += _samples(metric, points, quotes, openmetrics)
    lines.append("# EOF\n" if openmetrics else "")
    return "\n".join(lines).encode()


def _family(metric: Metric) -> str:
    unit = _unit(metric)
    return metric.name.replace(".", "_") + (f"_{unit}" if unit else "")


def _unit(metric: Metric) -> str:
    if metric.unit.startswith("{"):
        return ""
    if metric.unit not in _UNITS or (metric.unit == "1" and metric.kind is not Kind.GAUGE):
        raise ValueError(f"{metric.name}: no Prometheus name is known for unit {metric.unit!r}")
    return _UNITS[metric.unit]


def _header(metric: Metric, openmetrics: bool) -> Iterator[str]:
    """Plain text names a counter by its samples, OpenMetrics without their `_total`."""
    name = _family(metric) if openmetrics else prometheus_name(metric)
    text = metric.description.replace("\\", "\\\\").replace("\n", "\\n")
    yield f"# HELP {name} " + (text.replace('"', '\\"') if openmetrics else text)
    yield f"# TYPE {name} {metric.kind}"
    if openmetrics and _unit(metric):
        yield f"# UNIT {name} {_unit(metric)}"


class _Quotes(dict[str, str]):
    """Label values → quoted, remembered: the same few values come back in most samples."""

    def __missing__(self, value: str) -> str:
        escaped = value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
        if not escaped.isascii():  # a lone surrogate becomes U+FFFD, as on the way by OTLP
            escaped = escaped.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        quoted = self[value] = f'"{escaped}"'
        return quoted


def _samples(
    metric: Metric, points: list[Point], quotes: _Quotes, openmetrics: bool
) -> Iterator[str]:
    family, sample = _family(metric), prometheus_name(metric)
    names = tuple(f"{label_name(attribute)}=" for attribute in metric.attributes)
    for point in points:
        labels = [
            name + quotes[value]
            for name, value in zip(names, point.attributes, strict=True)
            if value is not None
        ]
        braced = _braced(labels)
        if isinstance(point.value, Histogram):
            bounds = _BOUNDS if openmetrics else _TEXT_BOUNDS
            yield from _histogram(family, labels, bounds, point.value)
        else:
            yield f"{sample}{braced} {point.value!r}"
        if openmetrics and point.start_ns:
            seconds, nanos = divmod(point.start_ns, _NANOS)
            yield f"{family}_created{braced} {seconds}.{nanos:09d}"


def _histogram(
    family: str, labels: list[str], bounds: tuple[str, ...], histogram: Histogram
) -> Iterator[str]:
    for bound, count in zip(bounds, accumulate(histogram.counts), strict=True):
        yield f"{family}_bucket{_braced([*labels, bound])} {count}"
    braced = _braced(labels)
    yield f"{family}_count{braced} {histogram.count}"
    yield f"{family}_sum{braced} {histogram.sum!r}"


def _braced(labels: list[str]) -> str:
    return f"{{{','.join(labels)}}}" if labels else ""

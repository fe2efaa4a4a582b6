"""What a metric is: name, kind, unit, description, attributes, origin."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

import msgspec

from exporter.metrics import attributes as a

_Names: TypeAlias = tuple[str, ...]
_ONE: _Names = (a.ACCOUNT,)


class MetricKind(StrEnum):
    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Origin(StrEnum):
    """Where a metric comes from; its methods make the metrics that come from there."""

    ACCOUNT = "account"
    ENVELOPE = "envelope"
    KEYS = "keys"
    USAGE = "usage"
    TRANSACTIONS = "transactions"
    LEDGER = "ledger"
    TRAFFIC = "traffic"
    SELF = "exporter"

    def gauge(self, name: str, unit: str, description: str, attributes: _Names = _ONE) -> Metric:
        return Metric(f"bytespike.{name}", MetricKind.GAUGE, unit, description, self, attributes)

    def counter(self, name: str, unit: str, description: str, attributes: _Names = _ONE) -> Metric:
        return Metric(f"bytespike.{name}", MetricKind.COUNTER, unit, description, self, attributes)

    def histogram(
        self, name: str, unit: str, description: str, attributes: _Names = _ONE
    ) -> Metric:
        return Metric(
            f"bytespike.{name}", MetricKind.HISTOGRAM, unit, description, self, attributes
        )


class Metric(msgspec.Struct, frozen=True):
    """One metric. `attributes` are the names, in the order in which a point gives its values."""

    name: str
    kind: MetricKind
    unit: str
    description: str
    origin: Origin
    attributes: tuple[str, ...]

"""Marks on every time axis: when money came in, or moved otherwise."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model

from exporter.metrics.attributes import KIND
from exporter.metrics.catalogue import BILLING_LAST
from exporter.metrics.prometheus import label_name
from scripts.dashboards.panels import DATASOURCE, STEP
from scripts.dashboards.promql import gauge, labels, matcher, series

TOPUP = "topup"


class Movement(model.AnnotationQuery):
    """A mark at the instant that a query's value names, in Unix ms.

    The SDK has no word for what the Prometheus data source adds to an annotation.
    """

    def to_json(self) -> dict[str, object]:
        """As Grafana stores it."""
        kind = f"{{{{{label_name(KIND)}}}}}"
        return super().to_json() | {
            "titleFormat": "Wallet movement",
            "textFormat": kind,
            "tagKeys": label_name(KIND),
            "useValueForTime": True,
            "step": STEP,
        }


def movements() -> list[model.AnnotationQuery]:
    """Top-ups are shown; other movements can be switched on."""
    topups = f"{gauge(BILLING_LAST, matcher(KIND, TOPUP))} * 1000"
    other = series(BILLING_LAST, f'{label_name(KIND)}!="{TOPUP}"')
    others = f"max by {labels(BILLING_LAST.attributes)} ({other}) * 1000"
    return [_marks("Top-ups", "green", topups, True), _marks("Other", "blue", others, False)]


def _marks(name: str, color: str, expr: str, enable: bool) -> model.AnnotationQuery:
    return Movement(
        name=name, datasource=DATASOURCE, enable=enable, hide=False, icon_color=color, expr=expr
    )

"""Colours that change where the alerts begin: one number for both, from deploy/alerts."""

from __future__ import annotations

from scripts.alerts import read
from scripts.dashboards.panels import GREEN, ORANGE, RED, Steps
from scripts.dashboards.promql import HOUR

_VALUES = read().thresholds


def value(name: str) -> float:
    """One threshold of `deploy/alerts/thresholds.yaml`. Raises KeyError."""
    return _VALUES[name]


def above(number: float, color: str = RED) -> Steps:
    return ((None, GREEN), (number, color))


def below(number: float, color: str = RED) -> Steps:
    return ((None, color), (number, GREEN))


RUNWAY: Steps = (
    (None, RED),
    (value("runwayCriticalHours") * HOUR, ORANGE),
    (value("runwayWarningHours") * HOUR, GREEN),
)
BALANCE = below(value("balanceFloorUsd"))
ORGANIZATION = below(value("organizationBalanceUsd"))
WINDOW_LEFT = below(value("rateLimitRemainingRatio"), ORANGE)
KEY_LEFT = below(value("keyQuotaRemainingUsd"), ORANGE)
MODEL_SPENT: Steps = (*above(value("modelQuotaUtilizationRatio"), ORANGE), (1, RED))
AGE = above(value("staleMinutes") * 60, ORANGE)
LAG = above(value("usageLagMinutes") * 60, ORANGE)
EXPORT_FAILURES = above(value("exportFailureRatio"), ORANGE)
DRIFT: Steps = (
    (None, ORANGE),
    (-value("ledgerDriftUsd"), GREEN),
    (value("ledgerDriftUsd"), ORANGE),
)
ANY = above(1)
"""One is too many."""

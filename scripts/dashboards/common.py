"""Queries and fields that more than one dashboard shows."""

from __future__ import annotations

from exporter.metrics import attributes as a
from exporter.metrics import catalogue as c
from exporter.metrics.prometheus import label_name
from scripts.dashboards import limits
from scripts.dashboards.panels import GREEN, RED, Field
from scripts.dashboards.promql import gauge, growth, labels, matcher, series

BY_ACCOUNT = (a.ACCOUNT,)
BY_KEY = (a.ACCOUNT, a.KEY_ID, a.KEY_NAME)
BY_MODEL = (a.ACCOUNT, a.MODEL)

ACCOUNT_COLUMN = (label_name(a.ACCOUNT),)
"""What a table of one account need not show."""

USD = Field("currencyUSD", 2)
SPENT = Field("currencyUSD", 2, nothing="no usage is counted")
RUNWAY = Field("s", 1, limits.RUNWAY, nothing="nothing is spent")
WINDOW_LEFT = Field("percentunit", 0, limits.WINDOW_LEFT, nothing="no window is known")
MODEL_SPENT = Field("percentunit", 0, limits.MODEL_SPENT, nothing="no model has a cap")

YES_NO = {"0": ("no", GREEN), "1": ("yes", RED)}
UP = {"0": ("fails", RED), "1": ("answers", GREEN)}
ALL_UP = {"0": ("some fails", RED), "1": ("answers", GREEN)}

ORGANIZATION = gauge(c.ORGANIZATION_BALANCE, of="min")


def _of_tier(tier: str) -> str:
    return f"max by {labels(BY_ACCOUNT)} ({series(c.ACCOUNT_INFO, matcher(a.TIER, tier))})"


def _own(query: str) -> str:
    """What is said of an account's own wallet, where that pays."""
    return f"({query} unless on {labels(BY_ACCOUNT)} ({ORGANIZATION_PAYS}))"


def _organizations(query: str) -> str:
    """What is said of an organization's wallet, where that pays."""
    return f"({query} and on {labels(BY_ACCOUNT)} ({ORGANIZATION_PAYS}))"


ORGANIZATION_PAYS = (
    f"{_of_tier('enterprise')} or ({_of_tier('')} and on {labels(BY_ACCOUNT)} {ORGANIZATION})"
)
"""The accounts of which the organization's wallet pays, as the alert rules tell them."""

OWN_BALANCE = _own(gauge(c.WALLET_BALANCE, of="min"))
ORGANIZATIONS_BALANCE = _organizations(ORGANIZATION)
BALANCE = f"({OWN_BALANCE} or {ORGANIZATIONS_BALANCE})"
"""What is left in the wallet that pays."""

THRESHOLD = _own(gauge(c.WALLET_THRESHOLD))
LOW = _own(gauge(c.WALLET_LOW))
RUNWAY_LEFT = (
    f"({_own(gauge(c.WALLET_RUNWAY, of='min'))} or "
    f"{_organizations(gauge(c.ORGANIZATION_RUNWAY, of='min'))})"
)
KEY_LEFT = gauge(c.KEY_REMAINING, of="min")
ANSWERS = f"min by {labels(BY_ACCOUNT)} ({gauge(c.GATEWAY_UP)})"
"""For each account 1 if the last poll of every endpoint succeeded, else 0."""

RATE_LEFT = f"{gauge(c.RATE_REMAINING, of='min')} / ({gauge(c.RATE_LIMIT)} > 0)"
"""Share of each key's window that is left, 1 = all."""

WINDOW_LEFT_BY_ACCOUNT = f"min by ({label_name(a.ACCOUNT)}) ({RATE_LEFT})"


def legend(*attributes: str) -> str:
    """A series is called by these attributes."""
    return " · ".join(f"{{{{{label_name(attribute)}}}}}" for attribute in attributes)


def spent(window: str) -> str:
    """USD that each account spent in `window`, as counted from usage.

    The wallet's lifetime counter would do without usage, but it has no zero point: a receiver
    that has just begun to store it may take its first value for growth.
    """
    return growth(c.USAGE_COST, BY_ACCOUNT, window)

"""What else stops a key before the wallet does: windows and caps."""

from __future__ import annotations

from scripts.alerts.rule import ACCOUNT, KEY, Alert, Group, Severity, looked_up

_MINUTE = 60
_RESET = "bytespike_rate_limit_reset_timestamp_seconds"

RATE_LIMIT = Alert(
    name="BytespikeRateLimitNearlySpent",
    # Compared for each exporter by itself: two may have been told of different windows.
    expr="""\
min by (bytespike_account_name, bytespike_key_id) (
  bytespike_rate_limit_remaining_USD
  < <<rateLimitRemainingRatio>> * bytespike_rate_limit_limit_USD
)""",
    wait=5 * _MINUTE,
    linger=5 * _MINUTE,
    severity=Severity.WARNING,
    summary="<account>: key <key> has <usd> left in its tightest spend window, which resets at "
    + looked_up("max", _RESET, ACCOUNT, KEY, show="humanizeTimestamp"),
    description="Once the window is spent, the gateway answers 429 until it resets.",
)

KEY_QUOTA = Alert(
    name="BytespikeKeyQuotaLow",
    # A key that only the tap sees is there no longer than it is used, and its cap stays low.
    expr="""\
min by (bytespike_account_name, bytespike_key_id) (
  last_over_time(bytespike_key_quota_remaining_USD[30m])
) < <<keyQuotaRemainingUsd>>""",
    wait=5 * _MINUTE,
    linger=15 * _MINUTE,
    severity=Severity.WARNING,
    summary="<account>: key <key> has <usd> left of its lifetime cap",
    description="Once the cap is reached, the gateway answers this key with 402. A lifetime cap "
    "does not reset: raise it, or replace the key.",
)

MODEL_QUOTA = Alert(
    name="BytespikeModelQuotaLow",
    expr="max by (bytespike_account_name, gen_ai_request_model)"
    " (bytespike_quota_utilization_ratio) > <<modelQuotaUtilizationRatio>>",
    wait=5 * _MINUTE,
    linger=15 * _MINUTE,
    severity=Severity.WARNING,
    summary="<account>: <percent> of the cap of model <model> is spent",
    description="Once the cap is reached, its calls fail. Raise it, or use another model.",
)

GROUP = Group("limits", (), (RATE_LIMIT, KEY_QUOTA, MODEL_QUOTA))

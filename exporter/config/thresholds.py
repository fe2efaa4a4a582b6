"""What the page calls low: the names and defaults of the alerts' thresholds.yaml."""

from typing import Annotated

from msgspec import Struct

from exporter.config.kinds import number, whole

Amount = Annotated[float, number(0.0, 100_000.0)]
Ratio = Annotated[float, number(0.001, 1.0)]
Minutes = Annotated[int, whole(1, 10_000)]


class Thresholds(Struct, frozen=True, rename="camel"):
    """What the page calls low, with the names and defaults of the alerts' thresholds.yaml."""

    balance_floor_usd: Annotated[Amount, "A balance under it pages, always."] = 10.0
    runway_warning_hours: Annotated[Amount, "How long the balance lasts at this spend."] = 24.0
    runway_critical_hours: Annotated[Amount, "The same, to be woken for."] = 4.0
    spend_spike_factor: Annotated[Amount, "Spend of the last hour over its mean of a day."] = 4.0
    spend_spike_minimum_usd_per_hour: Annotated[Amount, "Less is no spike."] = 1.0
    organization_balance_usd: Annotated[Amount, "Left in the organization's wallet."] = 50.0
    rate_limit_remaining_ratio: Annotated[Ratio, "Left of a key's spend window, 1 = all."] = 0.1
    key_quota_remaining_usd: Annotated[Amount, "Left of a key's lifetime cap."] = 5.0
    key_quota_utilization_ratio: Annotated[Ratio, "Spent of a key's lifetime cap, 1 = all."] = 0.9
    key_expiry_days: Annotated[Amount, "Until a key expires."] = 7.0
    model_quota_utilization_ratio: Annotated[Ratio, "Spent of a model's cap, 1 = all."] = 0.9
    refused_calls_ratio: Annotated[Ratio, "Refused share of a key's calls, 1 = all."] = 0.05
    observations_rejected_ratio: Annotated[Ratio, "Unusable share of observations, 1 = all."] = 0.1
    webhook_unverified: Annotated[Amount, "Deliveries of 6 h, none of them verified."] = 2.0
    ledger_drift_usd: Annotated[Amount, "Wallet and counted usage apart, either way."] = 1.0
    overcount_usd: Annotated[Amount, "Shown by counters, and taken back since."] = 1.0
    usage_lag_minutes: Annotated[Minutes, "How far the counting of usage is behind."] = 20
    stale_minutes: Annotated[Minutes, "Since an endpoint's last success."] = 20
    silent_minutes: Annotated[Minutes, "Nothing heard of an account, or of any exporter."] = 15
    export_failure_ratio: Annotated[Ratio, "Share of failed OTLP exports, 1 = all."] = 0.5

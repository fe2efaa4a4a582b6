"""Money: the wallet, how long it lasts, what is spent, the organization's wallet."""

from __future__ import annotations

from scripts.alerts.rule import ACCOUNT, Alert, Group, Record, Severity, looked_up

_MINUTE = 60

_BALANCE = Record(
    # An enterprise account that never paid in is billed to its organization: its own wallet
    # stands at 0 for ever, and means nothing.
    "bytespike_account:wallet_balance_USD:min",
    """\
min by (bytespike_account_name) (bytespike_wallet_balance_USD)
unless on (bytespike_account_name) (
  max by (bytespike_account_name) (bytespike_account_info{bytespike_user_tier="enterprise"})
  and on (bytespike_account_name)
  max by (bytespike_account_name) (bytespike_wallet_topup_USD_total) == 0
)""",
)

_RUNWAY = Record(
    # The metric divides the balance by what was spent; the slope of the balance would not do,
    # because a top-up turns it round.
    "bytespike_account:wallet_runway_seconds:min",
    "min by (bytespike_account_name) (bytespike_wallet_runway_seconds)",
)

_SPEND = Record(
    # The gateway's own lifetime counter; counted usage where it gives none.
    "bytespike_account:spend_USD_per_hour:rate1h",
    """\
3600 * max by (bytespike_account_name) (rate(bytespike_wallet_spend_USD_total[1h]))
or
3600 * max by (bytespike_account_name) (
  sum without (bytespike_key_id, bytespike_key_name, gen_ai_request_model) (
    rate(bytespike_usage_cost_USD_total[1h])
  )
)""",
)

_LASTS = (
    "Time left at the present rate of spending: "
    + looked_up("min", "bytespike_wallet_runway_seconds", ACCOUNT, show="humanizeDuration")
    + "."
)
_USD = 'printf "%.2f USD"'

LOW_BALANCE = Alert(
    name="BytespikeLowBalance",
    # The gateway's own flag too: it may be given where the threshold is not.
    expr="""\
(
  bytespike_account:wallet_balance_USD:min
  <= on (bytespike_account_name)
  max by (bytespike_account_name) (bytespike_wallet_low_balance_threshold_USD)
)
or
(
  bytespike_account:wallet_balance_USD:min
  and on (bytespike_account_name)
  max by (bytespike_account_name) (bytespike_wallet_low_balance_active) == 1
)""",
    wait=5 * _MINUTE,
    linger=15 * _MINUTE,
    severity=Severity.WARNING,
    summary="<account>: <usd> left, at or under the account's own threshold",
    description="The threshold: "
    + looked_up("max", "bytespike_wallet_low_balance_threshold_USD", ACCOUNT, show=_USD)
    + f". {_LASTS}",
)

BALANCE_FLOOR = Alert(
    name="BytespikeBalanceBelowFloor",
    expr="bytespike_account:wallet_balance_USD:min < <<balanceFloorUsd>>",
    wait=2 * _MINUTE,
    linger=15 * _MINUTE,
    severity=Severity.CRITICAL,
    summary="<account>: <usd> left, under the floor of <<balanceFloorUsd>> USD",
    description=f"{_LASTS} After that the gateway refuses every call with 402.",
)

RUNWAY_LOW = Alert(
    name="BytespikeRunwayLow",
    expr="bytespike_account:wallet_runway_seconds:min < <<runwayWarningHours>> * 3600",
    wait=15 * _MINUTE,
    linger=15 * _MINUTE,
    severity=Severity.WARNING,
    summary="<account>: the balance lasts <duration>, less than <<runwayWarningHours>> h",
    description="Left: "
    + looked_up("min", "bytespike_wallet_balance_USD", ACCOUNT, show=_USD)
    + ", at the mean rate of spending of the last hours. Top up, or slow the spending down.",
)

RUNWAY_CRITICAL = Alert(
    name="BytespikeRunwayCritical",
    expr="bytespike_account:wallet_runway_seconds:min < <<runwayCriticalHours>> * 3600",
    wait=5 * _MINUTE,
    linger=15 * _MINUTE,
    severity=Severity.CRITICAL,
    summary="<account>: the balance lasts <duration>, less than <<runwayCriticalHours>> h",
    description=RUNWAY_LOW.description,
)

SPEND_SPIKE = Alert(
    name="BytespikeSpendSpike",
    # The mean of rates, not a rate over a day: that would divide the first hours by a whole day.
    # Without a past there is nothing to compare with, so the first day is silent.
    expr="""\
bytespike_account:spend_USD_per_hour:rate1h
  > <<spendSpikeFactor>> * avg_over_time(bytespike_account:spend_USD_per_hour:rate1h[1d] offset 1h)
  and bytespike_account:spend_USD_per_hour:rate1h > <<spendSpikeMinimumUsdPerHour>>
  and present_over_time(bytespike_account:spend_USD_per_hour:rate1h[1h] offset 1d)""",
    wait=10 * _MINUTE,
    linger=15 * _MINUTE,
    severity=Severity.WARNING,
    summary="<account>: <usd> spent in an hour, "
    "more than <<spendSpikeFactor>> times its mean of a day",
    description="Either traffic has grown, or somebody else uses a key. Which key and model it "
    "is shows in the increase of bytespike_usage_cost_USD_total.",
)

ORGANIZATION_LOW = Alert(
    name="BytespikeOrganizationBalanceLow",
    expr="min by (bytespike_account_name) (bytespike_organization_balance_USD)"
    " < <<organizationBalanceUsd>>",
    wait=5 * _MINUTE,
    linger=15 * _MINUTE,
    severity=Severity.CRITICAL,
    summary="<account>: <usd> left in its organization's wallet, "
    "less than <<organizationBalanceUsd>> USD",
    description="Every key that the organization owns stops when that wallet is empty, "
    "whatever the account's own wallet holds.",
)

GROUP = Group(
    "wallet",
    (_BALANCE, _RUNWAY, _SPEND),
    (LOW_BALANCE, BALANCE_FLOOR, RUNWAY_LOW, RUNWAY_CRITICAL, ORGANIZATION_LOW, SPEND_SPIKE),
)

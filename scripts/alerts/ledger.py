"""Whether what was counted can be trusted."""

from __future__ import annotations

from scripts.alerts.rule import Alert, Group, Record, Severity

_MINUTE = 60

_TOTAL = Record(
    # One for each exporter, under whatever labels tell exporters apart.
    "bytespike_exporter:usage_cost_USD_total:sum",
    "sum without (bytespike_key_id, bytespike_key_name, gen_ai_request_model)"
    " (bytespike_usage_cost_USD_total)",
)

DRIFT = Alert(
    name="BytespikeLedgerDrift",
    expr="""\
max by (bytespike_account_name) (bytespike_ledger_drift_USD) > <<ledgerDriftUsd>>
or
min by (bytespike_account_name) (bytespike_ledger_drift_USD) < -<<ledgerDriftUsd>>""",
    wait=60 * _MINUTE,
    severity=Severity.WARNING,
    summary="<account>: wallet and counted usage have been <usd> apart for an hour",
    description="Positive: the wallet was charged for what usage does not show. "
    "Negative: usage shows what the wallet was not charged for.",
)

RESET = Alert(
    name="BytespikeCountersReset",
    # First: the total of one exporter fell. Second: no exporter that is there has counted as
    # much as one that was; ten minutes are for those that restart. Of one fall, both may tell.
    expr="""\
max by (bytespike_account_name) (
  max_over_time(bytespike_exporter:usage_cost_USD_total:sum[1h] offset 10m)
  - min_over_time(bytespike_exporter:usage_cost_USD_total:sum[10m])
) > 0
or
(
  max by (bytespike_account_name) (
    max_over_time(bytespike_exporter:usage_cost_USD_total:sum[1h] offset 10m)
  )
  - max by (bytespike_account_name) (
    max_over_time(bytespike_exporter:usage_cost_USD_total:sum[10m])
  )
) > 0""",
    wait=5 * _MINUTE,
    severity=Severity.WARNING,
    summary="<account>: the usage counters fell by <usd>; counting has begun anew",
    description="Usage of before is no longer in the totals. Rates and increases are right "
    "within each life of the counters. Nothing is counted twice.",
)

REJECTED = Alert(
    name="BytespikeUsageRowsRejected",
    expr="max by (bytespike_account_name)"
    ' (increase(bytespike_exporter_usage_rows_total{bytespike_outcome="rejected"}[1h])) > 0',
    wait=5 * _MINUTE,
    severity=Severity.WARNING,
    summary='<account>: {{ printf "%.0f" $value }} usage rows of the last hour '
    "could not be understood",
    description="They are not counted: usage is too low by what they cost. The exporter's log "
    "has the id of each and the reason.",
)

GROUP = Group("ledger", (_TOTAL,), (DRIFT, RESET, REJECTED))

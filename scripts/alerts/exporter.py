"""Whether anything is known at all: the key, the endpoints, the exporter, the way here."""

from __future__ import annotations

from scripts.alerts.rule import Alert, Group, Record, Severity

_MINUTE = 60

_UP = Record(
    "bytespike_endpoint:gateway_up:max",
    "max by (bytespike_account_name, bytespike_endpoint) (bytespike_gateway_up)",
)

_AGE = Record(
    "bytespike_endpoint:last_success_age_seconds:min",
    "time() - max by (bytespike_account_name, bytespike_endpoint)"
    " (bytespike_exporter_last_success_timestamp_seconds)",
)

KEY_REFUSED = Alert(
    name="BytespikeKeyRefused",
    # The outcome has no series before it first happens, so that its first time is no increase.
    # A refused key is asked every five minutes.
    expr="""\
count by (bytespike_account_name) (
  bytespike_endpoint:gateway_up:max == 0
  and on (bytespike_account_name, bytespike_endpoint) (
    increase(bytespike_exporter_polls_total{bytespike_outcome="auth"}[15m]) > 0
    or (
      bytespike_exporter_polls_total{bytespike_outcome="auth"}
      unless bytespike_exporter_polls_total{bytespike_outcome="auth"} offset 15m
    )
  )
)""",
    wait=5 * _MINUTE,
    linger=10 * _MINUTE,
    severity=Severity.CRITICAL,
    summary="<account>: the gateway refuses the API key on {{ $value }} endpoints (401 or 403)",
    description="The key is missing, wrong, revoked or expired, its IP address is not allowed, "
    "or its organization is paused. Applications that use the same key fail too.",
)

BALANCE_UNKNOWN = Alert(
    name="BytespikeBalanceUnknown",
    expr="""\
sum by (bytespike_account_name) (
  bytespike_endpoint:gateway_up:max{bytespike_endpoint="account"}
)
unless on (bytespike_account_name)
max by (bytespike_account_name) (bytespike_wallet_balance_USD)""",
    wait=30 * _MINUTE,
    severity=Severity.CRITICAL,
    summary="<account>: balance in USD unknown; the account endpoint "
    "{{ if eq $value 1.0 }}answers without one{{ else }}fails{{ end }}",
    description="No alert on balance or runway can fire for this account until it is known again.",
)

ENDPOINT_STALE = Alert(
    name="BytespikeEndpointStale",
    expr="""\
bytespike_endpoint:last_success_age_seconds:min > <<staleMinutes>> * 60
or
(bytespike_endpoint:gateway_up:max == 0)
unless on (bytespike_account_name, bytespike_endpoint)
bytespike_endpoint:last_success_age_seconds:min <= <<staleMinutes>> * 60""",
    wait=5 * _MINUTE,
    linger=5 * _MINUTE,
    severity=Severity.WARNING,
    summary="<account>: the endpoint <endpoint> last answered "
    "{{ if eq $value 0.0 }}never{{ else }}<duration> ago{{ end }}",
    description="What it tells is missing or old. Counters stay; what was billed meanwhile is "
    "counted once it answers again.",
)

EXPORTS_FAILING = Alert(
    name="BytespikeExportsFailing",
    # Seen only where /metrics is scraped too: a failed export cannot tell of itself.
    expr="""\
max(
  sum without (bytespike_outcome) (
    rate(bytespike_exporter_exports_total{bytespike_outcome=~"failure|partial"}[15m])
  )
  / sum without (bytespike_outcome) (rate(bytespike_exporter_exports_total[15m]))
) > <<exportFailureRatio>>""",
    wait=10 * _MINUTE,
    linger=5 * _MINUTE,
    severity=Severity.WARNING,
    summary="An exporter: <percent> of its OTLP exports fail or lose points (all accounts)",
    description="Whoever reads from the OTLP receiver sees old numbers, and alerts there are "
    "blind. No counter growth is lost: it arrives with the next export that works.",
)

ACCOUNT_SILENT = Alert(
    name="BytespikeAccountSilent",
    # A series that is gone cannot say so itself: it is missed for a day.
    expr="""\
count by (bytespike_account_name) (last_over_time(bytespike_gateway_up[1d]))
unless on (bytespike_account_name)
count by (bytespike_account_name) (last_over_time(bytespike_gateway_up[<<silentMinutes>>m]))""",
    wait=1 * _MINUTE,
    severity=Severity.CRITICAL,
    summary="<account>: no data for more than <<silentMinutes>> minutes",
    description="Other accounts may still report. No other alert can fire for this one.",
)

NO_DATA = Alert(
    name="BytespikeNoData",
    expr="absent_over_time(bytespike_exporter_build_info[<<silentMinutes>>m])",
    wait=1 * _MINUTE,
    severity=Severity.CRITICAL,
    summary="All accounts: no data from any exporter for <<silentMinutes>> minutes",
    description="No other alert can fire. Exporter, network or receiver is down.",
)

GROUP = Group(
    "exporter",
    (_UP, _AGE),
    (
        KEY_REFUSED,
        BALANCE_UNKNOWN,
        ENDPOINT_STALE,
        EXPORTS_FAILING,
        ACCOUNT_SILENT,
        NO_DATA,
    ),
)

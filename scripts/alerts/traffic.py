"""What applications meet at the gateway, and whether tap and webhook hear of it.

A tap that falls silent is no alert: applications rest at night, and the account is polled at its
usual pace then. Unlike everything else, what taps count is added up over exporters: each of them
sees other calls.
"""

from __future__ import annotations

from scripts.alerts.rule import Alert, Group, Record, Severity

_MINUTE = 60

_WINDOW = "15m"
_REFUSALS = "bytespike_tap_refusals_total"
_RESPONSES = "bytespike_tap_responses_total"


def _grown(series: str, by: str) -> str:
    """What the series grew by in the window; all of it where there was none the hour before.

    A series appears with its first response, so that an increase alone would miss a call that is
    refused at once and not tried again.
    """
    return f"""\
sum by ({by}) (
  ({series} unless last_over_time({series}[1h] offset {_WINDOW}))
  or increase({series}[{_WINDOW}])
)"""


_REFUSED = Record(
    "bytespike_key:tap_refusals:increase15m",
    _grown(_REFUSALS, "bytespike_account_name, bytespike_key_id, http_response_status_code"),
)

_ANSWERED = Record(
    "bytespike_key:tap_responses:increase15m",
    _grown(_RESPONSES, "bytespike_account_name, bytespike_key_id"),
)


def _share_refused(status: int) -> str:
    return f"""\
sum by (bytespike_account_name, bytespike_key_id) (
  {_REFUSED.name}{{http_response_status_code="{status}"}}
)
/ {_ANSWERED.name} > <<refusedCallsRatio>>"""


OUT_OF_MONEY = Alert(
    name="BytespikeCallsOutOfMoney",
    expr=_share_refused(402),
    wait=2 * _MINUTE,
    linger=15 * _MINUTE,
    severity=Severity.CRITICAL,
    summary="<account>: the gateway refuses <percent> of the calls with key <key> (402)",
    description="The wallet, the organization's wallet or the key's lifetime cap is used up. "
    "Applications that use the key fail, and trying again does not help.",
)

LIMITED = Alert(
    name="BytespikeCallsLimited",
    # The wait is longer than the window: a single burst is over by then.
    expr=_share_refused(429),
    wait=20 * _MINUTE,
    linger=15 * _MINUTE,
    severity=Severity.WARNING,
    summary="<account>: the gateway has long refused <percent> of the calls with key <key> (429)",
    description="A rolling spend window of the key is used up, or too many of its calls are in "
    "flight at once. Applications wait or fail.",
)

OBSERVATIONS_REJECTED = Alert(
    name="BytespikeObservationsRejected",
    # As above, it takes more than one burst.
    expr="""\
max by (bytespike_outcome) (
  sum without (bytespike_source) (
    rate(bytespike_tap_observations_total{bytespike_outcome!="accepted"}[10m])
  )
  / ignoring (bytespike_outcome) group_left ()
  sum without (bytespike_source, bytespike_outcome) (
    rate(bytespike_tap_observations_total[10m])
  )
) > <<observationsRejectedRatio>>""",
    wait=15 * _MINUTE,
    linger=5 * _MINUTE,
    severity=Severity.WARNING,
    summary="An exporter: <percent> of what its tap is told is {{ $labels.bytespike_outcome }} "
    "(all accounts)",
    description="Those calls are in no metric. Polling goes on at its usual pace where the "
    "account's own key is not seen.",
)

WEBHOOK_UNVERIFIED = Alert(
    name="BytespikeWebhookUnverified",
    # Deliveries are rare, and anybody may knock: it counts only while none can be verified.
    expr="""\
max by (bytespike_outcome) (
  increase(bytespike_webhook_deliveries_total{bytespike_outcome=~"unsigned|unconfigured"}[6h])
  unless ignoring (bytespike_outcome)
  sum without (bytespike_outcome) (
    increase(
      bytespike_webhook_deliveries_total{bytespike_outcome=~"accepted|ignored|duplicate"}[6h]
    )
  ) > 0
) > <<webhookUnverified>>""",
    wait=15 * _MINUTE,
    severity=Severity.WARNING,
    summary='An exporter: {{ printf "%.0f" $value }} webhook deliveries of the last 6 h were '
    "{{ $labels.bytespike_outcome }}, and none was verified (all accounts)",
    description="A low balance or a payment is noticed only by polling. The exporter's secret is "
    "missing, or is not the one with which the gateway signs.",
)

GROUP = Group(
    "traffic",
    (_REFUSED, _ANSWERED),
    (OUT_OF_MONEY, LIMITED, OBSERVATIONS_REJECTED, WEBHOOK_UNVERIFIED),
)

"""Every metric, once: name, kind, unit, description, attributes, origin.

The snapshot, `/metrics`, `docs/metrics.md` and the tests derive from this table.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from exporter.metrics import attributes as a


class MetricKind(StrEnum):
    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Origin(StrEnum):
    ACCOUNT = "account"
    ENVELOPE = "envelope"
    USAGE = "usage"
    TRANSACTIONS = "transactions"
    LEDGER = "ledger"
    TRAFFIC = "traffic"
    SELF = "exporter"


class Metric(msgspec.Struct, frozen=True):
    """One metric. `attributes` are the names, in the order in which a point gives its values."""

    name: str
    kind: MetricKind
    unit: str
    description: str
    origin: Origin
    attributes: tuple[str, ...]


_KEY = (a.ACCOUNT, a.KEY_ID)
_MODEL = (a.ACCOUNT, a.MODEL)
_KIND = (a.ACCOUNT, a.KIND)
_USAGE = (a.ACCOUNT, a.KEY_ID, a.KEY_NAME, a.MODEL)


def _gauge(
    name: str,
    unit: str,
    description: str,
    origin: Origin,
    attributes: tuple[str, ...] = (a.ACCOUNT,),
) -> Metric:
    return Metric(f"bytespike.{name}", MetricKind.GAUGE, unit, description, origin, attributes)


def _counter(
    name: str,
    unit: str,
    description: str,
    origin: Origin,
    attributes: tuple[str, ...] = (a.ACCOUNT,),
) -> Metric:
    return Metric(f"bytespike.{name}", MetricKind.COUNTER, unit, description, origin, attributes)


WALLET_BALANCE = _gauge(
    "wallet.balance", "USD", "What is left to spend, net of holds.", Origin.ACCOUNT
)
WALLET_THRESHOLD = _gauge(
    "wallet.low_balance_threshold",
    "USD",
    "The balance at or below which the gateway calls the wallet low.",
    Origin.ACCOUNT,
)
WALLET_LOW = _gauge(
    "wallet.low_balance_active", "", "1 while the gateway calls the balance low.", Origin.ACCOUNT
)
WALLET_TOPUP = _counter(
    "wallet.topup", "USD", "Paid into the wallet since the account was created.", Origin.ACCOUNT
)
WALLET_SPEND = _counter(
    "wallet.spend", "USD", "Spent from the wallet since the account was created.", Origin.ACCOUNT
)
WALLET_RUNWAY = _gauge(
    "wallet.runway",
    "s",
    "How long the balance lasts at the spend rate over `runway.window`; "
    "absent while nothing is spent.",
    Origin.LEDGER,
)
ACCOUNT_INFO = _gauge(
    "account.info",
    "",
    "Always 1; its attributes say whose account it is.",
    Origin.ACCOUNT,
    (a.ACCOUNT, a.TIER, a.ORGANIZATION_ID, a.ORGANIZATION_NAME, a.ORGANIZATION_ROLE),
)
QUOTA_USAGE = _gauge("quota.usage", "USD", "Spent on the model so far.", Origin.ACCOUNT, _MODEL)
QUOTA_LIMIT = _gauge(
    "quota.limit", "USD", "The model's cap; absent where uncapped.", Origin.ACCOUNT, _MODEL
)
QUOTA_UTILIZATION = _gauge(
    "quota.utilization",
    "1",
    "Share of the model's cap that is spent, 1 = all; absent where uncapped or the cap is 0.",
    Origin.ACCOUNT,
    _MODEL,
)
RATE_LIMIT = _gauge(
    "rate_limit.limit",
    "USD",
    "Cap of the rolling spend window that is closest to constraining the key.",
    Origin.ENVELOPE,
    _KEY,
)
RATE_REMAINING = _gauge(
    "rate_limit.remaining",
    "USD",
    "What is left in that window; absent once it has reset.",
    Origin.ENVELOPE,
    _KEY,
)
RATE_RESET = _gauge(
    "rate_limit.reset.timestamp",
    "s",
    "Unix time at which that window resets; absent once it has.",
    Origin.ENVELOPE,
    _KEY,
)
KEY_REMAINING = _gauge(
    "key.quota.remaining",
    "USD",
    "What is left of the key's lifetime cap; absent where the gateway gives none.",
    Origin.ENVELOPE,
    _KEY,
)
ORGANIZATION_BALANCE = _gauge(
    "organization.balance", "USD", "What is left in the organization's wallet.", Origin.ENVELOPE
)
USAGE_COST = _counter(
    "usage.cost", "USD", "Billed for API calls since counting began.", Origin.USAGE, _USAGE
)
USAGE_TOKENS = _counter(
    "usage.tokens", "{token}", "Tokens billed.", Origin.USAGE, (*_USAGE, a.TOKEN_TYPE)
)
USAGE_REQUESTS = _counter("usage.requests", "{request}", "API calls billed.", Origin.USAGE, _USAGE)
USAGE_OVERCOUNT = _gauge(
    "usage.overcount",
    "USD",
    "What later corrections took back from cost counters, which may not fall.",
    Origin.USAGE,
)
BILLING_TRANSACTIONS = _counter(
    "billing.transactions",
    "{transaction}",
    "Wallet movements that were not API calls.",
    Origin.TRANSACTIONS,
    _KIND,
)
BILLING_AMOUNT = _counter(
    "billing.amount",
    "USD",
    "Sum of those movements, without sign, by direction.",
    Origin.TRANSACTIONS,
    (a.ACCOUNT, a.KIND, a.DIRECTION),
)
BILLING_LAST = _gauge(
    "billing.last_transaction.timestamp",
    "s",
    "Unix time of the newest movement of the kind.",
    Origin.TRANSACTIONS,
    _KIND,
)
LEDGER_DRIFT = _gauge(
    "ledger.drift",
    "USD",
    "Growth of lifetime spend since the first account poll, less the usage billed since then; "
    "what the time between two polls explains is left out.",
    Origin.LEDGER,
)
TAP_RESPONSES = _counter(
    "tap.responses",
    "{response}",
    "Responses that applications got, as far as the tap saw them.",
    Origin.TRAFFIC,
    (*_KEY, a.STATUS_CLASS, a.RESPONSE_MODEL),
)
TAP_REFUSALS = _counter(
    "tap.refusals",
    "{response}",
    "Responses with which the gateway refused an application: 402, wallet or cap empty; "
    "429, a spend window used up or too many calls in flight.",
    Origin.TRAFFIC,
    (*_KEY, a.STATUS_CODE),
)
TAP_LAST = _gauge(
    "tap.last_observation.timestamp",
    "s",
    "Unix time of the newest response seen; the time since is `time()` less this.",
    Origin.TRAFFIC,
    (*_KEY, a.SOURCE),
)
TAP_OBSERVATIONS = _counter(
    "tap.observations",
    "{observation}",
    "Observations by what became of them; without a source where a datagram could not be read.",
    Origin.SELF,
    (a.SOURCE, a.OUTCOME),
)
WEBHOOK_DELIVERIES = _counter(
    "webhook.deliveries", "{delivery}", "Webhook deliveries by outcome.", Origin.SELF, (a.OUTCOME,)
)
GATEWAY_UP = _gauge(
    "gateway.up",
    "",
    "1 if the last poll of the endpoint succeeded, 0 if it failed.",
    Origin.SELF,
    (a.ACCOUNT, a.ENDPOINT),
)
POLLS = _counter(
    "exporter.polls", "{poll}", "Polls by outcome.", Origin.SELF, (a.ACCOUNT, a.ENDPOINT, a.OUTCOME)
)
POLL_DURATION = Metric(
    "bytespike.exporter.poll.duration",
    MetricKind.HISTOGRAM,
    "s",
    "Duration of polls, waits between attempts included.",
    Origin.SELF,
    (a.ACCOUNT, a.ENDPOINT),
)
LAST_SUCCESS = _gauge(
    "exporter.last_success.timestamp",
    "s",
    "Unix time of the endpoint's last successful poll.",
    Origin.SELF,
    (a.ACCOUNT, a.ENDPOINT),
)
EXPORTS = _counter(
    "exporter.exports",
    "{export}",
    "OTLP exports by outcome; `partial` where the receiver rejected points.",
    Origin.SELF,
    (a.OUTCOME,),
)
USAGE_ROWS = _counter(
    "exporter.usage.rows",
    "{row}",
    "Usage rows and buckets read, by what became of them; `rejected` ones could not be understood.",
    Origin.SELF,
    (a.ACCOUNT, a.OUTCOME),
)
SERIES_FOLDED = _gauge(
    "exporter.series.folded",
    "{series}",
    'Keys and models counted under "other" because `usage.max_series` is reached.',
    Origin.SELF,
)
BUILD_INFO = _gauge(
    "exporter.build.info",
    "",
    "Always 1; which exporter this is.",
    Origin.SELF,
    (a.VERSION, a.PYTHON),
)

CATALOGUE: tuple[Metric, ...] = tuple(
    value for value in tuple(globals().values()) if isinstance(value, Metric)
)
"""Every metric above, in that order."""

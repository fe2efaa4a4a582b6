"""Every metric, once: name, kind, unit, description, attributes, origin.

The snapshot, `/metrics`, `docs/metrics.md` and the tests derive from this table.
"""

from __future__ import annotations

from exporter.metrics import attributes as a
from exporter.metrics.metric import Metric, Origin

_KEY = (a.ACCOUNT, a.KEY_ID)
_KEY_WINDOW = (*_KEY, a.WINDOW)
_MODEL = (a.ACCOUNT, a.MODEL)
_KIND = (a.ACCOUNT, a.KIND)
_USAGE = (a.ACCOUNT, a.KEY_ID, a.KEY_NAME, a.MODEL)

WALLET_BALANCE = Origin.ACCOUNT.gauge(
    "wallet.balance", "USD", "What is left to spend, net of holds."
)
WALLET_THRESHOLD = Origin.ACCOUNT.gauge(
    "wallet.low_balance_threshold",
    "USD",
    "The balance at or below which the gateway calls the wallet low.",
)
WALLET_LOW = Origin.ACCOUNT.gauge(
    "wallet.low_balance_active", "", "1 while the gateway calls the balance low."
)
WALLET_TOPUP = Origin.ACCOUNT.counter(
    "wallet.topup", "USD", "Paid into the wallet since the account was created."
)
WALLET_SPEND = Origin.ACCOUNT.counter(
    "wallet.spend", "USD", "Spent from the wallet since the account was created."
)
WALLET_RUNWAY = Origin.LEDGER.gauge(
    "wallet.runway",
    "s",
    "How long the balance lasts at the spend rate over `runway.window`, or over what of it was "
    "watched; absent while nothing is spent, and where the organization pays.",
)
ACCOUNT_INFO = Origin.ACCOUNT.gauge(
    "account.info",
    "",
    "Always 1; its attributes say whose account it is.",
    (a.ACCOUNT, a.USER_ID, a.TIER, a.ORGANIZATION_ID, a.ORGANIZATION_NAME, a.ORGANIZATION_ROLE),
)
GATEWAY_INFO = Origin.ACCOUNT.gauge(
    "gateway.info", "", "Always 1; at which gateway the account is.", (a.ACCOUNT, a.GATEWAY)
)
QUOTA_USAGE = Origin.ACCOUNT.gauge("quota.usage", "USD", "Spent on the model so far.", _MODEL)
QUOTA_LIMIT = Origin.ACCOUNT.gauge(
    "quota.limit", "USD", "The model's cap; absent where uncapped.", _MODEL
)
QUOTA_UTILIZATION = Origin.ACCOUNT.gauge(
    "quota.utilization",
    "1",
    "Share of the model's cap that is spent, 1 = all; absent where uncapped or the cap is 0.",
    _MODEL,
)
RATE_LIMIT = Origin.ENVELOPE.gauge(
    "rate_limit.limit",
    "USD",
    "Cap of the rolling spend window that is closest to constraining the key.",
    _KEY,
)
RATE_REMAINING = Origin.ENVELOPE.gauge(
    "rate_limit.remaining",
    "USD",
    "What is left in that window; absent once it has reset.",
    _KEY,
)
RATE_RESET = Origin.ENVELOPE.gauge(
    "rate_limit.reset.timestamp",
    "s",
    "Unix time at which that window resets; absent once it has.",
    _KEY,
)
KEY_REMAINING = Origin.ENVELOPE.gauge(
    "key.quota.remaining",
    "USD",
    "What is left of the key's lifetime cap; absent where the gateway gives none, and where the "
    "list of keys says that the key has none.",
    _KEY,
)
KEY_INFO = Origin.KEYS.gauge(
    "key.info",
    "",
    "Always 1; every key that was seen in list, usage or traffic, to join its name onto others.",
    (*_KEY, a.KEY_NAME, a.KEY_LISTED),
)
KEY_LIMIT = Origin.KEYS.gauge(
    "key.limit",
    "USD",
    "What the key may spend in a window, or in its life; absent where unlimited.",
    _KEY_WINDOW,
)
KEY_USED = Origin.KEYS.gauge(
    "key.used",
    "USD",
    "What of it is spent; absent where the gateway does not tell, or the window has reset since.",
    _KEY_WINDOW,
)
KEY_EXPIRY = Origin.KEYS.gauge(
    "key.expiry.timestamp",
    "s",
    "Unix time at which the key expires; absent where it never does.",
    _KEY,
)
ORGANIZATION_BALANCE = Origin.ENVELOPE.gauge(
    "organization.balance", "USD", "What is left in the organization's wallet."
)
ORGANIZATION_RUNWAY = Origin.LEDGER.gauge(
    "organization.runway",
    "s",
    "How long the organization's balance lasts at the rate at which it fell over `runway.window`, "
    "top-ups left out; absent while it does not fall.",
)
USAGE_COST = Origin.USAGE.counter(
    "usage.cost", "USD", "Billed for API calls since counting began.", _USAGE
)
USAGE_TOKENS = Origin.USAGE.counter(
    "usage.tokens",
    "{token}",
    "Tokens billed; those of caches where usage tells them.",
    (*_USAGE, a.TOKEN_TYPE),
)
USAGE_REQUESTS = Origin.USAGE.counter("usage.requests", "{request}", "API calls billed.", _USAGE)
USAGE_POSITION = Origin.USAGE.gauge(
    "usage.position.timestamp",
    "s",
    "Usage is counted up to here (Unix time, by the gateway's clock). While an outage is caught "
    "up, the newest usage is counted too.",
)
USAGE_START = Origin.USAGE.gauge(
    "usage.start.timestamp",
    "s",
    "Counting began here (Unix time, by the gateway's clock).",
)
USAGE_OVERCOUNT = Origin.USAGE.gauge(
    "usage.overcount",
    "USD",
    "What later corrections took back from cost counters, which may not fall.",
)
BILLING_TRANSACTIONS = Origin.TRANSACTIONS.counter(
    "billing.transactions",
    "{transaction}",
    "Wallet movements that were not API calls, once they are money.",
    _KIND,
)
BILLING_AMOUNT = Origin.TRANSACTIONS.counter(
    "billing.amount",
    "USD",
    "Sum of those movements, without sign, by direction.",
    (a.ACCOUNT, a.KIND, a.DIRECTION),
)
BILLING_LAST = Origin.TRANSACTIONS.gauge(
    "billing.last_transaction.timestamp",
    "s",
    "Unix time of the newest movement of the kind.",
    _KIND,
)
BILLING_PENDING_AMOUNT = Origin.TRANSACTIONS.gauge(
    "billing.pending.amount",
    "USD",
    "Sum of the movements that are announced and not yet money, with their sign.",
    _KIND,
)
BILLING_PENDING = Origin.TRANSACTIONS.gauge(
    "billing.pending.transactions",
    "{transaction}",
    "Movements that are announced and not yet money; absent where there are none of the kind.",
    _KIND,
)
BILLING_FAILED = Origin.TRANSACTIONS.gauge(
    "billing.last_failure.timestamp",
    "s",
    "Unix time of the newest movement of the kind that failed, absent after a day, and "
    "once a later one is good.",
    _KIND,
)
LEDGER_DRIFT = Origin.LEDGER.gauge(
    "ledger.drift",
    "USD",
    "Growth of lifetime spend since the first account poll with all usage read, less the usage "
    "billed since then; what the time between two polls explains is left out. Absent where the "
    "organization pays: lifetime spend is not of its wallet.",
)
TAP_RESPONSES = Origin.TRAFFIC.counter(
    "tap.responses",
    "{response}",
    "Responses that applications got, as far as the tap saw them.",
    (*_KEY, a.STATUS_CLASS, a.RESPONSE_MODEL),
)
TAP_REFUSALS = Origin.TRAFFIC.counter(
    "tap.refusals",
    "{response}",
    "Responses with which the gateway refused an application: 402, wallet or cap empty; "
    "429, a spend window used up or too many calls of the account in flight.",
    (*_KEY, a.STATUS_CODE),
)
TAP_LAST = Origin.TRAFFIC.gauge(
    "tap.last_observation.timestamp",
    "s",
    "Unix time of the newest response seen; the time since is `time()` less this.",
    (*_KEY, a.SOURCE),
)
TAP_OBSERVATIONS = Origin.SELF.counter(
    "tap.observations",
    "{observation}",
    "Observations by what became of them; without a source where a datagram could not be read.",
    (a.SOURCE, a.OUTCOME),
)
WEBHOOK_DELIVERIES = Origin.SELF.counter(
    "webhook.deliveries", "{delivery}", "Webhook deliveries by outcome.", (a.OUTCOME,)
)
GATEWAY_UP = Origin.SELF.gauge(
    "gateway.up",
    "",
    "1 if the last poll of the endpoint succeeded or met an empty wallet or cap, 0 if it failed.",
    (a.ACCOUNT, a.ENDPOINT),
)
POLLS = Origin.SELF.counter(
    "exporter.polls", "{poll}", "Polls by outcome.", (a.ACCOUNT, a.ENDPOINT, a.OUTCOME)
)
POLL_DURATION = Origin.SELF.histogram(
    "exporter.poll.duration",
    "s",
    "Duration of polls, waits between attempts included.",
    (a.ACCOUNT, a.ENDPOINT),
)
LAST_SUCCESS = Origin.SELF.gauge(
    "exporter.last_success.timestamp",
    "s",
    "Unix time of the endpoint's last successful poll.",
    (a.ACCOUNT, a.ENDPOINT),
)
CLOCK_OFFSET = Origin.SELF.gauge(
    "gateway.clock_offset",
    "s",
    "The gateway's clock less this machine's; absent while the gateway does not tell its time.",
)
EXPORTS = Origin.SELF.counter(
    "exporter.exports",
    "{export}",
    "OTLP exports by outcome; `partial` where the receiver rejected points.",
    (a.OUTCOME,),
)
USAGE_ROWS = Origin.SELF.counter(
    "exporter.usage.rows",
    "{row}",
    "Usage rows and buckets read, by what became of them; `rejected` ones could not be understood.",
    (a.ACCOUNT, a.OUTCOME),
)
SERIES_FOLDED = Origin.SELF.gauge(
    "exporter.series.folded",
    "{series}",
    'Keys and models counted under "other" because `usage.max_series` is reached.',
)
BUILD_INFO = Origin.SELF.gauge(
    "exporter.build.info", "", "Always 1; which exporter this is.", (a.VERSION, a.PYTHON)
)

CATALOGUE: tuple[Metric, ...] = tuple(
    value for value in tuple(globals().values()) if isinstance(value, Metric)
)
"""Every metric above, in that order."""

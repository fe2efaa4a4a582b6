"""Live readings and totals for the tests of the web layer, as real as they need to be."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from exporter.config.types import Account, Config, Otlp
from exporter.errors import Outcome
from exporter.gateway.readings import (
    AccountReading,
    Endpoint,
    Envelope,
    ModelQuota,
    Organization,
)
from exporter.ledger.spend import Rate
from exporter.ledger.totals import AccountTotals, BillingTotal, UsageTotal
from exporter.live import Live, LiveAccount
from exporter.money import NANOS_PER_USD
from exporter.status import ExportOutcome
from exporter.web.view import View
from tests.clock import NOW

INTERVALS = {Endpoint.ACCOUNT: 60.0, Endpoint.USAGE: 60.0, Endpoint.TRANSACTIONS: 300.0}
INSTANCE = "6f1c1c1e-54d3-4b6a-9d0e-2a8f0a6f7b11"
OWN_KEY = "sk-byts-…9f3c"


def usd(amount: float) -> int:
    """Nano-USD."""
    return round(amount * NANOS_PER_USD)


def config(*names: str) -> Config:
    accounts = tuple(
        Account(name, "https://llm.example", api_key_env="BYTESPIKE_API_KEY") for name in names
    )
    return Config(accounts=accounts, otlp=Otlp(endpoint="http://collector:4318/v1/metrics"))


def configured(view: View, **changes: object) -> View:
    """The view after a reload that changed so much."""
    return View(view.live, replace(view.config, **changes), view.instance_id)


def empty_board(*names: str, started_at: float = NOW - 3) -> Live:
    """A live as it is just after the start."""
    live = Live(started_at=started_at)
    for name in names:
        live.accounts[name] = LiveAccount(name, dict(INTERVALS))
        for offset, status in enumerate(live.accounts[name].endpoints.values()):
            status.next_poll = NOW + offset
    return live


def reading(available: float | None = 31.4, **changes: object) -> AccountReading:
    """An account reading; amounts in USD."""
    low = None if available is None else available <= 5
    fields: dict[str, object] = {
        "observed_at": NOW - 12,
        "user_id": "88",
        "tier": "individual",
        "available": None if available is None else usd(available),
        "lifetime_topup": usd(250),
        "lifetime_spent": usd(218.6),
        "low_balance_threshold": usd(5),
        "low_balance_flagged": low,
        "models": (
            ModelQuota("claude-sonnet-4-6", usd(64.04), None),
            ModelQuota("gpt-5-4", usd(18.22), usd(50)),
            ModelQuota("veo-3-fast", usd(25), usd(30)),
        ),
        "organization": Organization("1", "Example AI", "admin"),
    }
    return AccountReading(**{**fields, **changes})  # type: ignore[arg-type]


def answer(account: LiveAccount, now: float = NOW) -> None:
    """Every endpoint has answered a few times, last a moment ago."""
    for number, (endpoint, status) in enumerate(account.endpoints.items()):
        for _ in range(180 // (number + 1)):
            status.succeeded(now - 12 - number, 0.084 + number * 0.02)
        status.next_poll = now + INTERVALS[endpoint] - 12 - number


def envelope(key_id: str = OWN_KEY, now: float = NOW - 12, **changes: object) -> Envelope:
    """An envelope with all five headers; amounts in nano-USD."""
    fields: dict[str, object] = {
        "observed_at": now,
        "key_id": key_id,
        "limit": usd(25),
        "remaining": usd(17.5),
        "reset_at": NOW + 7_800,
        "key_quota_remaining": usd(192.4),
        "org_quota_remaining": usd(1240.55),
    }
    return Envelope(**{**fields, **changes})  # type: ignore[arg-type]


def series(number: int, name: str, key_id: str, model: str, cost: float) -> UsageTotal:
    """A usage series that costs `cost` USD."""
    calls = int(cost * 87) + 3
    start_ns = int((NOW - 6 * 86_400) * 1e9)
    tokens = (calls * 1820, calls * 244)
    return UsageTotal(number, key_id, name, model, start_ns, False, usd(cost), *tokens, calls)


def rate_of(runway: float, balance: float = 31.4) -> Rate:
    """At this rate, watched for a whole window, the balance (USD) lasts so many seconds."""
    return Rate(round(usd(balance) * 21_600 / runway), 21_600)


def totals() -> AccountTotals:
    """What a week of work looks like."""
    usage = (
        series(1, "prod-vision", OWN_KEY, "claude-sonnet-4-6", 31.207),
        series(2, "prod-vision", OWN_KEY, "gpt-5-4", 9.118),
        series(3, "batch-nightly", "sk-byts-…41aa", "claude-sonnet-4-6", 14.62),
        series(4, "batch-nightly", "sk-byts-…41aa", "veo-3-fast", 6.5),
        series(5, "playground", "sk-byts-…c07e", "gpt-5-4", 1.93),
        series(6, "sk-byts-…8d12", "sk-byts-…8d12", "claude-haiku-4-5", 0.0042),
    )
    start = int((NOW - 6 * 86_400) * 1e9)
    return AccountTotals(
        usage=usage,
        billing=(
            BillingTotal(1, "topup", "credit", start, False, usd(50), 1),
            BillingTotal(2, "refund", "credit", start, False, usd(0.37), 4),
            BillingTotal(3, "admin_debit", "debit", start, False, usd(1.5), 1),
        ),
        last_transactions=(
            ("topup", NOW - 200_000),
            ("refund", NOW - 9_000),
            ("admin_debit", NOW - 90_000),
        ),
        topup=usd(250),
        spent=usd(218.6),
        wallet_start_ns=1_767_510_660 * 10**9,
        usage_rate=rate_of(129_200.0),
        drift=usd(0.012),
        counted_from=NOW - 7 * 86_400,
    )


def healthy(*names: str) -> tuple[View, Mapping[str, AccountTotals]]:
    live = empty_board(*names, started_at=NOW - 11_520)
    for account in live.accounts.values():
        answer(account)
        account.account = reading()
        account.observe(envelope())
    for at in range(10):
        live.exports.ended(NOW - 9 - 30 * (9 - at), ExportOutcome.SUCCESS, None)
    return View(live, config(*names), INSTANCE), {name: totals() for name in names}


def fail(view: View, name: str, outcome: Outcome, message: str, age: float = 20.0) -> None:
    """Every endpoint of the account failed `age` seconds ago, after it had answered before."""
    for status in view.live.accounts[name].endpoints.values():
        status.failed(NOW - age, 0.2, outcome, message, up=False)

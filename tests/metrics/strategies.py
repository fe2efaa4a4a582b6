"""Any live and any totals that the types allow, and some that they should not."""

from __future__ import annotations

from hypothesis import strategies as st

from exporter.errors import Outcome
from exporter.gateway.readings import AccountReading, Endpoint, Envelope, ModelQuota, Organization
from exporter.ledger.spend import Rate
from exporter.ledger.totals import AccountTotals, BillingTotal, UsageTotal
from exporter.live import Live, LiveAccount
from tests.metrics.realistic import NOW, NS

_money = st.integers(-(10**18), 10**18)
_amount = st.integers(0, 10**18)
_count = st.integers(0, 2**62)
_at = st.floats(NOW - 1000, NOW + 1000)
_start_ns = st.integers(int(NOW - 1000) * NS, int(NOW + 1000) * NS)
names = st.text(st.characters(codec="utf-8") | st.sampled_from('\\"\n,{}= #'), max_size=8)
"""Attribute values: any Unicode, with more than its share of what has a meaning in a format."""

_few = st.sampled_from(["a", "b"])


def _maybe(strategy: st.SearchStrategy[int]) -> st.SearchStrategy[int | None]:
    return st.none() | strategy


_models = st.builds(ModelQuota, _few, _maybe(_money), _maybe(_money))
_readings = st.builds(
    AccountReading,
    observed_at=_at,
    tier=st.none() | names,
    available=_maybe(_money),
    lifetime_topup=_maybe(_amount),
    lifetime_spent=_maybe(_amount),
    low_balance_threshold=_maybe(_money),
    low_balance_flagged=st.none() | st.booleans(),
    models=st.lists(_models, max_size=3).map(tuple),
    organization=st.none() | st.builds(Organization, names, names, names),
)
_envelopes = st.builds(
    Envelope, _at, _few, _maybe(_money), _maybe(_money), st.none() | _at, _maybe(_money), _money
)
_usage = st.builds(
    UsageTotal,
    id=st.integers(1, 99),
    key_id=_few,
    key_name=names,
    model=_few,
    start_ns=_start_ns,
    fresh=st.booleans(),
    cost=_amount,
    input_tokens=_count,
    output_tokens=_count,
    requests=_count,
)
_billing = st.builds(
    BillingTotal,
    id=st.integers(1, 99),
    kind=_few,
    direction=st.sampled_from(["credit", "debit"]),
    start_ns=_start_ns,
    fresh=st.booleans(),
    amount=_amount,
    count=_count,
)
_rate = st.builds(Rate, _money, st.floats(1, 1e7))
account_totals = st.builds(
    AccountTotals,
    usage=st.lists(_usage, max_size=5).map(tuple),
    billing=st.lists(_billing, max_size=5).map(tuple),
    last_transactions=st.lists(st.tuples(_few, _at), max_size=3).map(tuple),
    overcount=_maybe(_amount),
    folded=_count,
    topup=_maybe(_amount),
    spent=_maybe(_amount),
    wallet_start_ns=st.just(0) | _start_ns,
    usage_rate=st.none() | _rate,
    wallet_rate=st.none() | _rate,
    organization_rate=st.none() | _rate,
    drift=_maybe(_money),
)


@st.composite
def account_boards(draw: st.DrawFn, name: str) -> LiveAccount:
    """An account with some endpoints, polled any number of times with any result."""
    account = LiveAccount(name, dict.fromkeys(draw(st.sets(st.sampled_from(Endpoint))), 60.0))
    for status in account.endpoints.values():
        for outcome in draw(st.lists(st.sampled_from(Outcome), max_size=3)):
            at, seconds = draw(_at), draw(st.floats(0, 1000))
            if outcome is Outcome.SUCCESS:
                status.succeeded(at, seconds)
            else:
                status.failed(at, seconds, outcome, "failed", draw(st.booleans()))
    account.account = draw(st.none() | _readings)
    for envelope in draw(st.lists(_envelopes, max_size=4)):
        account.observe(envelope)
    return account


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Live, dict[str, AccountTotals]]:
    """Live readings of up to two accounts, one of them oddly named, and the ledger's totals."""
    live = Live(draw(_at))
    for name in draw(st.lists(names, max_size=2, unique=True)):
        live.accounts[name] = draw(account_boards(name))
    return live, {name: draw(account_totals) for name in live.accounts}

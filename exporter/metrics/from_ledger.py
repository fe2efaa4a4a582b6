"""What the ledger has counted: usage and billing, the wallet's lifetime counters, runways, drift.

Usage and billing show always: a total stays true while the gateway is down. Only until they have
caught up in this process are they held back, should the state file be an older one that was put
back. What is compared with a reading shows only while that reading does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from exporter.gateway.readings import Endpoint
from exporter.ledger.totals import AccountTotals, BillingTotal, UsageTotal
from exporter.live import LiveAccount
from exporter.metrics import attributes as a
from exporter.metrics import catalogue as c
from exporter.metrics.from_readings import account_reading
from exporter.metrics.payer import organizations, payer
from exporter.metrics.points import Attributes, Draft, Stream
from exporter.money import to_usd

_TOLD = 86_400.0
"""For so many seconds it is told that a movement failed."""

_Total = TypeVar("_Total", UsageTotal, BillingTotal)
_Key = TypeVar("_Key")


def add(draft: Draft, account: LiveAccount, totals: AccountTotals, everything: bool) -> None:
    """Add every point that comes from the ledger's totals of one account.

    `everything`: also those that are held back from receivers.
    """
    held_back = {} if everything else account.held_back
    _wallet(draft, account, totals)
    runway = organizations(account, totals, draft.now).runway
    draft.gauge(c.ORGANIZATION_RUNWAY, (account.name,), runway)
    if Endpoint.USAGE not in held_back:
        _usage(draft, account.name, totals.usage)
        draft.money(c.USAGE_OVERCOUNT, (account.name,), totals.overcount)
    status = account.endpoints.get(Endpoint.USAGE)
    if status is not None:
        draft.gauge(c.SERIES_FOLDED, (account.name,), totals.folded)
        draft.gauge(c.USAGE_POSITION, (account.name,), status.position)
        draft.gauge(c.USAGE_START, (account.name,), totals.counted_from or None)
    if Endpoint.TRANSACTIONS not in held_back:
        _billing(draft, account.name, totals.billing)
    if _fresh(account, Endpoint.TRANSACTIONS, draft.now):
        for kind, newest in dict(totals.last_transactions).items():
            draft.gauge(c.BILLING_LAST, (account.name, kind), newest)
        _announced(draft, account, totals)


def _wallet(draft: Draft, account: LiveAccount, totals: AccountTotals) -> None:
    """Lifetime counters, each only while the newest reading has it; the wallet's runway; drift.

    Drift compares two endpoints: while usage is not read, it would only show the spend since.
    """
    reading = account_reading(account, draft.now)
    if reading is None:
        return
    attributes = (account.name,)
    who = payer(account, totals, draft.now)
    if who is not None and not who.organization:
        draft.gauge(c.WALLET_RUNWAY, attributes, who.runway)
    if _fresh(account, Endpoint.USAGE, draft.now):
        draft.money(c.LEDGER_DRIFT, attributes, totals.drift)
    stream = draft.stream(totals.wallet_start_ns)
    if reading.lifetime_topup is not None and totals.topup is not None:
        draft.counter(c.WALLET_TOPUP, attributes, to_usd(totals.topup), stream)
    if reading.lifetime_spent is not None and totals.spent is not None:
        draft.counter(c.WALLET_SPEND, attributes, to_usd(totals.spent), stream)


def _usage(draft: Draft, name: str, totals: tuple[UsageTotal, ...]) -> None:
    series = _grouped(totals, lambda t: (name, t.key_id, t.key_name, t.model))
    for attributes, group in series.items():
        stream = draft.ledger_stream(group)
        if stream is None:
            continue
        draft.counter(c.USAGE_COST, attributes, to_usd(sum([t.cost for t in group])), stream)
        _tokens(draft, attributes, group, stream)
        draft.counter(c.USAGE_REQUESTS, attributes, sum([t.requests for t in group]), stream)
        draft.fresh_usage.extend([t.id for t in group if t.fresh])
        draft.fresh_caches.extend([t.id for t in group if t.caches == 1])


def _tokens(
    draft: Draft, attributes: Attributes, group: Sequence[UsageTotal], stream: Stream
) -> None:
    """Tokens by type; those of caches only where a row has told them."""
    tokens_in, tokens_out, read, created = ((*attributes, kind) for kind in a.TOKEN_TYPES)
    draft.counter(c.USAGE_TOKENS, tokens_in, sum([t.input_tokens for t in group]), stream)
    draft.counter(c.USAGE_TOKENS, tokens_out, sum([t.output_tokens for t in group]), stream)
    telling = [t.caches for t in group if t.caches]
    if not telling:
        return
    cached = Stream(stream.start_ns, stream.time_ns, fresh=all(told == 1 for told in telling))
    draft.counter(c.USAGE_TOKENS, read, sum([t.cache_read_tokens for t in group]), cached)
    draft.counter(c.USAGE_TOKENS, created, sum([t.cache_creation_tokens for t in group]), cached)


def _billing(draft: Draft, name: str, totals: tuple[BillingTotal, ...]) -> None:
    """Movements are counted by kind, amounts by kind and direction."""
    for kind, group in _grouped(totals, lambda t: (name, t.kind)).items():
        count = sum([t.count for t in group])
        draft.counter(c.BILLING_TRANSACTIONS, kind, count, draft.ledger_stream(group))
    for attributes, group in _grouped(totals, lambda t: (name, t.kind, t.direction)).items():
        stream = draft.ledger_stream(group)
        if stream is not None:
            amount = to_usd(sum([t.amount for t in group]))
            draft.counter(c.BILLING_AMOUNT, attributes, amount, stream)
            draft.fresh_billing.extend([t.id for t in group if t.fresh])


def _announced(draft: Draft, account: LiveAccount, totals: AccountTotals) -> None:
    """What is not money yet, and what will never be unless somebody does it again."""
    for kind, amount, count in totals.pending:
        draft.money(c.BILLING_PENDING_AMOUNT, (account.name, kind), amount)
        draft.gauge(c.BILLING_PENDING, (account.name, kind), count)
    good = dict(totals.last_transactions)
    for kind, at in account.failures.items():
        # Movements bear whole seconds: a good one of the same second may have come before.
        if at >= good.get(kind, 0.0) and draft.now - at < _TOLD:
            draft.gauge(c.BILLING_FAILED, (account.name, kind), at)


def _grouped(totals: Iterable[_Total], key: Callable[[_Total], _Key]) -> dict[_Key, list[_Total]]:
    """The totals by what identifies their series, so that each series has one point."""
    groups: dict[_Key, list[_Total]] = {}
    for total in totals:
        groups.setdefault(key(total), []).append(total)
    return groups


def _fresh(account: LiveAccount, endpoint: Endpoint, now: float) -> bool:
    status = account.endpoints.get(endpoint)
    return status is not None and not status.stale(now)

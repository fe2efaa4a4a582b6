"""What a receiver must show, from the truth of the simulated world.

Amounts are compared as they are: the double nearest to the decimal USD, to the last bit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from bytespike_simulator.truth import Truth, UsageTruth
from tests.e2e.daemon import ACCOUNT, Daemon
from tests.e2e.gateway import Gateway
from tests.peers.promql import Sample

Series = frozenset[tuple[str, str]]
"""The labels of one series, without its name."""

Shown = dict[str, dict[Series, float]]
"""What is shown: metric name → labels → value."""

MICRO = 1_000_000
"""Credits in one USD."""

COST = "bytespike_usage_cost_USD_total"
TOKENS = "bytespike_usage_tokens_total"
REQUESTS = "bytespike_usage_requests_total"

_ADDED = {
    "__name__",
    *("service_name", "service_version", "service_instance_id"),  # VictoriaMetrics, of resources
    *("job", "instance"),  # Prometheus, of targets
}


def by_name(samples: Iterable[Sample]) -> Shown:
    """Samples by name and labels, without the labels that the receiver adds itself."""
    shown: defaultdict[str, dict[Series, float]] = defaultdict(dict)
    for labels, value in samples:
        series = frozenset(label for label in labels.items() if label[0] not in _ADDED)
        assert series not in shown[labels["__name__"]], f"shown twice: {labels}"
        shown[labels["__name__"]][series] = value
    return dict(shown)


def series(**labels: str) -> Series:
    """The labels of one series of the account. `key_id` stands for `bytespike_key_id`, etc."""
    return frozenset(
        (name if name.startswith("gen_ai") else f"bytespike_{name}", value)
        for name, value in {"account_name": ACCOUNT, **labels}.items()
    )


def usage(truth: Truth, *, net: bool = False) -> Shown:
    """The counters of usage; `net` of rebates, as a rollup that is read after them shows it."""
    shown: Shown = {COST: {}, TOKENS: {}, REQUESTS: {}}
    for one in map(_net, truth.usage) if net else truth.usage:
        labels = {
            "key_id": one.masked,
            "key_name": one.key_name,
            "gen_ai_request_model": one.model,
        }
        shown[COST][series(**labels)] = one.credits / MICRO
        shown[REQUESTS][series(**labels)] = one.calls
        for kind, count in (("input", one.input_tokens), ("output", one.output_tokens)):
            shown[TOKENS][series(**labels, gen_ai_token_type=kind)] = count
    return shown


def _net(gross: UsageTruth) -> UsageTruth:
    return msgspec.structs.replace(
        gross,
        credits=gross.credits - gross.rebated_credits,
        input_tokens=gross.input_tokens - gross.rebated_input_tokens,
        output_tokens=gross.output_tokens - gross.rebated_output_tokens,
        calls=gross.calls - gross.rebated_calls,
    )


def billing(truth: Truth) -> Shown:
    """The counters of wallet movements."""
    counts: defaultdict[Series, float] = defaultdict(int)
    amounts: dict[Series, float] = {}
    for one in truth.billing:
        counts[series(transaction_kind=one.kind)] += one.count
        labels = series(transaction_kind=one.kind, transaction_direction=one.direction)
        amounts[labels] = one.amount / MICRO
    return {
        "bytespike_billing_transactions_total": dict(counts),
        "bytespike_billing_amount_USD_total": amounts,
    }


def wallet(truth: Truth) -> Shown:
    """Balance and lifetime counters."""
    amounts = {
        "balance_USD": truth.wallet.available,
        "topup_USD_total": truth.wallet.topup,
        "spend_USD_total": truth.wallet.spent,
    }
    return {f"bytespike_wallet_{n}": {series(): a / MICRO} for n, a in amounts.items()}


def quotas(gateway: Gateway) -> Shown:
    """What the gateway says of its models now."""
    used: dict[Series, float] = {}
    limit: dict[Series, float] = {}
    for model in gateway.models():
        labels = series(gen_ai_request_model=model.id)
        used[labels] = model.quota_used_usd
        if model.quota_cap_usd is not None:
            limit[labels] = model.quota_cap_usd
    return {"bytespike_quota_usage_USD": used, "bytespike_quota_limit_USD": limit}


def envelope(gateway: Gateway) -> Shown:
    """What the gateway's headers say now of the key that the daemon asks with."""
    key = series(key_id=f"sk-byts-…{gateway.key[-4:]}")
    headers = gateway.envelope()
    return {
        "bytespike_rate_limit_limit_USD": {key: headers["x-ratelimit-limit"]},
        "bytespike_rate_limit_remaining_USD": {key: headers["x-ratelimit-remaining"]},
        "bytespike_rate_limit_reset_timestamp_seconds": {key: headers["x-ratelimit-reset"]},
        "bytespike_key_quota_remaining_USD": {key: headers["x-quota-remaining-credits"]},
        "bytespike_organization_balance_USD": {series(): headers["x-org-quota-remaining-credits"]},
    }


def exports(daemon: Daemon, outcome: str) -> int:
    """How many exports have ended so."""
    line = f'bytespike_exporter_exports_total{{bytespike_outcome="{outcome}"}} '
    return int(float(daemon.metrics().partition(line)[2].partition("\n")[0] or 0))


def assert_shows(shown: Shown, *expected: Shown) -> None:
    """Every expected metric is there with exactly these series and values; others may be."""
    for part in expected:
        for name, values in part.items():
            assert (name, shown.get(name, {})) == (name, values)

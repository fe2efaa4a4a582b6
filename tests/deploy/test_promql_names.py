from collections.abc import Callable, Iterable

import pytest

from exporter.metrics.catalogue import CATALOGUE
from exporter.metrics.prometheus import prometheus_name
from tests.deploy.promql import metrics, problems
from tests.deploy.shipped import Query, rule_queries, runbook_queries

NO_ALERT_ON = {
    "bytespike_quota_usage_USD": "the utilization says when it matters",
    "bytespike_quota_limit_USD": "the utilization says when it matters",
    "bytespike_wallet_topup_USD_total": "movements of money are nobody's emergency",
    "bytespike_usage_start_timestamp_seconds": "it stands where it stands",
    "bytespike_gateway_clock_offset_seconds": "a warning in the log; counting goes on right",
    "bytespike_billing_transactions_total": "movements of money are nobody's emergency",
    "bytespike_billing_amount_USD_total": "movements of money are nobody's emergency",
    "bytespike_billing_last_transaction_timestamp_seconds": "some wallets are rarely paid into",
    "bytespike_usage_tokens_total": "money is what runs out",
    "bytespike_usage_requests_total": "money is what runs out",
    "bytespike_exporter_poll_duration_seconds": "slow polls that end harm nobody",
    "bytespike_exporter_series_folded": "totals stay right; only their split is coarser",
}
"""Metrics that no rule and no query of the runbook reads, and why."""


@pytest.mark.parametrize(("shipped", "least"), [(rule_queries, 20), (runbook_queries, 15)])
def test_every_rule_and_every_query_of_the_runbook_names_only_what_the_exporter_has(
    shipped: Callable[[], Iterable[Query]], least: int
) -> None:
    queries = list(shipped())
    assert len(queries) > least
    assert [f"{q.where}: {problem}" for q in queries for problem in problems(q.text)] == []


def test_every_metric_is_read_by_a_rule_or_the_runbook_or_is_listed_as_not() -> None:
    queries = [*rule_queries(), *runbook_queries()]
    read = {name for query in queries for name in metrics(query.text)}
    everything = {prometheus_name(metric) for metric in CATALOGUE}
    assert everything - read == set(NO_ALERT_ON)


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("sum(", "does not parse"),
        ("bytespike_wallet_balance", "no such metric: bytespike_wallet_balance"),
        ('bytespike_wallet_balance_USD{key="a"}', "has no label key"),
        ("max by (bytespike_key_id) (bytespike_wallet_balance_USD)", "has the label bytespike_key"),
        ("sum by (instance) (bytespike_wallet_balance_USD)", "has the label instance"),
        ('bytespike_gateway_up{bytespike_endpoint="users"}', "never has bytespike_endpoint users"),
        (
            'rate(bytespike_exporter_polls_total{bytespike_outcome=~"auth|refused"}[5m])',
            "never has bytespike_outcome refused",
        ),
        ("bytespike_exporter_poll_duration_seconds", "no such metric"),
        ("bytespike_wallet_balance_USD_bucket", "no such metric"),
        ('{__name__=~"bytespike_.*"}', "without a name"),
        (
            'bytespike_account:wallet_balance_USD:min{bytespike_key_id="a"}',
            "has no label bytespike_key_id",
        ),
        ("bytespike_account:nothing:min", "no such metric"),
    ],
)
def test_a_query_on_what_does_not_exist_is_found_out(query: str, problem: str) -> None:
    assert any(problem in found for found in problems(query)), problems(query)


def test_a_recorded_series_counts_as_what_it_is_recorded_from() -> None:
    assert metrics("bytespike_account:wallet_runway_seconds:min < 3600") == {
        "bytespike_wallet_runway_seconds",
        "bytespike_organization_runway_seconds",
        "bytespike_organization_balance_USD",
        "bytespike_account_info",
    }

from tests.deploy.promtool import Promtool, one, replica

LOW = "BytespikeLowBalance"
FLOOR = "BytespikeBalanceBelowFloor"
WARNING = "BytespikeRunwayLow"
CRITICAL = "BytespikeRunwayCritical"
SPIKE = "BytespikeSpendSpike"
ORGANIZATION = "BytespikeOrganizationBalanceLow"

BALANCE = "bytespike_wallet_balance_USD"
THRESHOLD = "bytespike_wallet_low_balance_threshold_USD"
ACTIVE = "bytespike_wallet_low_balance_active"
RUNWAY = "bytespike_wallet_runway_seconds"
SPEND = "bytespike_wallet_spend_USD_total"
COST = "bytespike_usage_cost_USD_total"

HOUR = 3600


def test_a_balance_at_the_accounts_own_threshold_warns_after_five_minutes(rules: Promtool) -> None:
    story = one(BALANCE, "60x9 50x20 60x60") | one(THRESHOLD, "50x90")
    summary = "prod: 50.00 USD left, at or under the account's own threshold"
    rules.fires(LOW, story, at=15, summary=summary, until=46)


def test_a_balance_that_the_gateway_flags_warns_where_its_threshold_is_not_given(
    rules: Promtool,
) -> None:
    story = one(BALANCE, "12.345x60") | one(ACTIVE, "0x9 1x50")
    summary = "prod: 12.35 USD left, at or under the account's own threshold"
    rules.fires(LOW, story, at=15, summary=summary)


def test_a_dip_by_calls_in_flight_does_not_warn(rules: Promtool) -> None:
    story = one(BALANCE, "60x9 40x3 60x9 40x3 60x30") | one(THRESHOLD, "50x90")
    rules.silent(LOW, story, until=60)


def test_another_accounts_threshold_does_not_warn(rules: Promtool) -> None:
    story = one(BALANCE, "60x60") | one(THRESHOLD, "50x60") | one(THRESHOLD, "90x60", "test")
    rules.silent(LOW, story, until=60)


def test_a_balance_under_the_floor_pages_after_two_minutes(rules: Promtool) -> None:
    story = one(BALANCE, "10x9 9.99x50")
    summary = "prod: 9.99 USD left, under the floor of 10 USD"
    rules.fires(FLOOR, story, at=12, summary=summary)


def test_a_balance_on_the_floor_does_not_page(rules: Promtool) -> None:
    rules.silent(FLOOR, one(BALANCE, "10x60"), until=60)


def test_an_exporter_that_restarts_does_not_end_a_page(rules: Promtool) -> None:
    story = one(BALANCE, "9x19 stale _x5 9x60")
    rules.stays(FLOOR, story, since=2, until=79)


def test_an_enterprise_account_that_never_paid_in_has_no_wallet_to_run_dry(rules: Promtool) -> None:
    story = (
        one(BALANCE, "0x60")
        | one(THRESHOLD, "0x60")
        | one("bytespike_account_info", "1x60", user_tier="enterprise")
        | one("bytespike_wallet_topup_USD_total", "0x60")
    )
    rules.silent(FLOOR, story, until=60)
    rules.silent(LOW, story, until=60)


def test_an_enterprise_account_that_paid_in_is_watched(rules: Promtool) -> None:
    story = (
        one(BALANCE, "3x60")
        | one("bytespike_account_info", "1x60", user_tier="enterprise")
        | one("bytespike_wallet_topup_USD_total", "250x60")
    )
    rules.fires(FLOOR, story, at=2, summary="prod: 3.00 USD left, under the floor of 10 USD")


def test_a_runway_under_a_day_warns_after_a_quarter_of_an_hour(rules: Promtool) -> None:
    story = one(RUNWAY, f"{24 * HOUR}x9 {20 * HOUR}x50")
    summary = "prod: the balance lasts 20h 0m 0s, less than 24 h"
    rules.fires(WARNING, story, at=25, summary=summary)


def test_a_runway_under_four_hours_pages_after_five_minutes(rules: Promtool) -> None:
    story = one(RUNWAY, f"{5 * HOUR}x9 {3 * HOUR + 1200}x50")
    summary = "prod: the balance lasts 3h 20m 0s, less than 4 h"
    rules.fires(CRITICAL, story, at=15, summary=summary)


def test_a_topup_lengthens_the_runway_and_ends_the_page(rules: Promtool) -> None:
    story = one(RUNWAY, f"{2 * HOUR}x20 {60 * HOUR}x60") | one(BALANCE, "20x20 620x60")
    summary = "prod: the balance lasts 2h 0m 0s, less than 4 h"
    rules.fires(CRITICAL, story, at=5, summary=summary, until=36)
    rules.fires(WARNING, story, at=15, summary=summary.replace("4 h", "24 h"), until=36)


def test_a_topup_in_the_middle_that_does_not_suffice_does_not_end_the_page(
    rules: Promtool,
) -> None:
    story = one(RUNWAY, f"{HOUR}x20 {3 * HOUR}x60") | one(BALANCE, "20x20 60x60")
    rules.stays(CRITICAL, story, since=5, until=79)


def test_a_balance_that_falls_and_is_topped_up_without_a_short_runway_is_silent(
    rules: Promtool,
) -> None:
    story = one(BALANCE, "100-1x60 100-1x60") | one(RUNWAY, f"{30 * HOUR}x130")
    rules.silent(CRITICAL, story, until=120)
    rules.silent(WARNING, story, until=120)


def test_an_account_that_spends_nothing_has_no_runway_and_no_page(rules: Promtool) -> None:
    rules.silent(WARNING, one(BALANCE, "20x60"), until=60)
    rules.silent(CRITICAL, one(BALANCE, "20x60"), until=60)


def test_an_organization_that_runs_low_pages(rules: Promtool) -> None:
    story = one("bytespike_organization_balance_USD", "50x9 49x30")
    summary = "prod: 49.00 USD left in its organization's wallet, less than 50 USD"
    rules.fires(ORGANIZATION, story, at=15, summary=summary)


def test_an_organization_that_has_enough_does_not_page(rules: Promtool) -> None:
    story = one("bytespike_organization_balance_USD", "50x60")
    rules.silent(ORGANIZATION, story, until=60)


STEP = 4
"""Minutes between two values of the stories below, which last more than a day."""

MOST = 30 * 60
"""Minutes for which spend is as ever: 30 h."""


def spend(before: str, after: str, start: float = 0) -> str:
    """A counter that grows by `before` a step for `MOST` minutes, then by `after`."""
    steps = MOST // STEP
    then = start + float(before) * steps + float(after)
    return f"{start}+{before}x{steps} {then}+{after}x30"


def test_an_hour_that_costs_five_times_the_mean_warns(rules: Promtool) -> None:
    """6 USD an hour, then 57: after 24 minutes the last hour has cost more than 24 USD."""
    story = one(SPEND, spend("0.4", "3.8"))
    summary = "prod: 36.60 USD spent in an hour, more than 4 times its mean of a day"
    rules.fires(SPIKE, story, at=MOST + 36, summary=summary, step=STEP)


def test_steady_spend_does_not_warn_however_young_the_series_are(rules: Promtool) -> None:
    rules.silent(SPIKE, one(SPEND, spend("0.4", "0.4")), until=MOST + 120, step=STEP)


def test_a_multiple_of_next_to_nothing_does_not_warn(rules: Promtool) -> None:
    rules.silent(SPIKE, one(SPEND, spend("0.0004", "0.04")), until=MOST + 120, step=STEP)


def test_a_topup_is_no_spend(rules: Promtool) -> None:
    balance = one(BALANCE, f"100x{MOST // STEP} 900x30")
    story = one(SPEND, spend("0.4", "0.4")) | balance
    rules.silent(SPIKE, story, until=MOST + 120, step=STEP)


def test_a_restart_of_one_of_two_exporters_is_no_spend(rules: Promtool) -> None:
    """The one that restarts has read more than the other: the greatest of both falls."""
    steps = MOST // STEP
    ahead = one(SPEND, f"1000+0.4x{steps} stale _x2 {1000 + 0.4 * (steps + 4)}+0.4x30")
    behind = one(SPEND, spend("0.4", "0.4", start=999.7))
    rules.silent(SPIKE, replica(1, ahead) | replica(2, behind), until=MOST + 120, step=STEP)


def test_where_lifetime_spend_is_not_given_counted_usage_stands_in(rules: Promtool) -> None:
    half = spend("0.2", "1.9")
    story = one(COST, half, key_id="a") | one(COST, half, key_id="b")
    summary = "prod: 36.60 USD spent in an hour, more than 4 times its mean of a day"
    rules.fires(SPIKE, story, at=MOST + 36, summary=summary, step=STEP)

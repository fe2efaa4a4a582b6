import pytest

from tests.deploy.promtool import Promtool, one, replica

MONEY = "BytespikeCallsOutOfMoney"
LIMITED = "BytespikeCallsLimited"
UNUSABLE = "BytespikeObservationsRejected"
UNVERIFIED = "BytespikeWebhookUnverified"

KEY_ID = "sk-byts-…9f3c"
RESPONSES = "bytespike_tap_responses_total"
REFUSALS = "bytespike_tap_refusals_total"


def answered(fine: str, refused: str) -> dict[str, str]:
    """Responses to one key: how many were fine, and how many the gateway refused."""
    return one(RESPONSES, fine, key_id=KEY_ID, bytespike_status_class="2xx") | one(
        RESPONSES, refused, key_id=KEY_ID, bytespike_status_class="4xx"
    )


def refusals(money: str, limit: str) -> dict[str, str]:
    return one(REFUSALS, money, key_id=KEY_ID, http_response_status_code="402") | one(
        REFUSALS, limit, key_id=KEY_ID, http_response_status_code="429"
    )


def share(percent: int, status: int) -> str:
    long = "has long refused" if status == 429 else "refuses"
    return f"prod: the gateway {long} {percent}% of the calls with key {KEY_ID} ({status})"


# -- refused calls --------------------------------------------------------------------


def test_calls_that_are_refused_for_want_of_money_page_two_minutes_later(rules: Promtool) -> None:
    """All calls are refused from minute 30 on; at 33 those are a fifth of 15 minutes."""
    story = answered("0+10x29 300x60", "0x30 10+10x60") | refusals("0x30 10+10x60", "0x90")
    rules.fires(MONEY, story, at=33, summary=share(20, 402), key_id=KEY_ID)


def test_the_only_call_of_a_key_that_was_never_seen_before_pages(rules: Promtool) -> None:
    story = answered("_x90", "_x10 1x80") | refusals("_x10 1x80", "_x10 0x80")
    rules.fires(MONEY, story, at=12, summary=share(100, 402), key_id=KEY_ID, until=45)


def test_a_key_that_works_again_ends_the_page(rules: Promtool) -> None:
    story = answered("0+10x30 300x20 300+10x90", "0x30 10+10x20 210x90")
    story |= refusals("0x30 10+10x20 210x90", "0x140")
    rules.fires(MONEY, story, at=33, summary=share(20, 402), key_id=KEY_ID, until=82)


def test_a_call_of_many_that_money_in_flight_refuses_does_not_page(rules: Promtool) -> None:
    story = answered("0+10x90", "0x40 3x50") | refusals("0x40 3x50", "0x90")
    rules.silent(MONEY, story, until=90)


def test_totals_that_come_back_after_an_outage_of_the_exporter_are_nothing_new(
    rules: Promtool,
) -> None:
    story = one(RESPONSES, "0+10x30 _x30 300x60", key_id=KEY_ID, bytespike_status_class="2xx")
    rules.records("bytespike_key:tap_responses:increase15m", story, at=65, value=0)


def test_taps_that_each_see_a_part_of_the_calls_give_one_page(rules: Promtool) -> None:
    """One pod's calls are refused, three others' are not: a quarter of all."""
    refused = replica(0, answered("0x90", "0+10x90") | refusals("0+10x90", "0x90"))
    fine = [replica(n, answered("0+10x90", "0x90") | refusals("0x90", "0x90")) for n in (1, 2, 3)]
    story = refused | {name: values for one in fine for name, values in one.items()}
    rules.fires(MONEY, story, at=3, summary=share(25, 402), key_id=KEY_ID)


@pytest.mark.parametrize("refused", ["0+1x90", "0+40x90"])
def test_calls_that_a_window_refuses_do_not_page(rules: Promtool, refused: str) -> None:
    rules.silent(MONEY, answered("0+10x90", refused) | refusals("0x90", refused), until=90)


def test_calls_that_are_limited_for_long_warn(rules: Promtool) -> None:
    story = answered("0+10x90", "0x30 10+10x60") | refusals("0x90", "0x30 10+10x60")
    rules.fires(LIMITED, story, at=51, summary=share(50, 429), key_id=KEY_ID)


def test_a_burst_that_is_limited_does_not_warn(rules: Promtool) -> None:
    burst = "0x30 10+10x4 50x60"
    rules.silent(LIMITED, answered("0+10x90", burst) | refusals("0x90", burst), until=90)


def test_a_tap_that_falls_silent_does_not_warn(rules: Promtool) -> None:
    story = answered("0+10x30 300x60", "0+0x90") | refusals("0x90", "0x90")
    story |= one("bytespike_tap_last_observation_timestamp_seconds", "0+60x30 1800x60")
    rules.silent(MONEY, story, until=90)
    rules.silent(LIMITED, story, until=90)


# -- the tap itself -------------------------------------------------------------------


def observations(**outcomes: str) -> dict[str, str]:
    name, source = "bytespike_tap_observations_total", 'bytespike_source="log"'
    return {
        f'{name}{{{source},bytespike_outcome="{outcome}"}}': values
        for outcome, values in outcomes.items()
    }


def malformed(values: str) -> dict[str, str]:
    """What could not be read has no source."""
    return {'bytespike_tap_observations_total{bytespike_outcome="malformed"}': values}


def rejected(percent: int, outcome: str) -> str:
    return f"An exporter: {percent}% of what its tap is told is {outcome} (all accounts)"


def test_keys_that_are_nobodys_warn_after_a_quarter_of_an_hour(rules: Promtool) -> None:
    story = observations(accepted="0+30x60", unknown_key="_x10 10+10x60") | malformed("0x60")
    summary = rejected(25, "unknown_key")
    rules.fires(UNUSABLE, story, at=28, summary=summary, account_name="", outcome="unknown_key")


def test_a_server_whose_snippet_is_wrong_warns_though_another_exporter_is_fine(
    rules: Promtool,
) -> None:
    wrong = replica(1, observations(accepted="0x60") | malformed("0+10x60"))
    fine = replica(2, observations(accepted="0+99x60") | malformed("0x60"))
    summary = rejected(100, "malformed")
    rules.fires(
        UNUSABLE, wrong | fine, at=16, summary=summary, account_name="", outcome="malformed"
    )


def test_a_short_flood_does_not_warn(rules: Promtool) -> None:
    story = observations(accepted="0+10x90", dropped="_x20 5000x70") | malformed("0x20 9x70")
    rules.silent(UNUSABLE, story, until=90)


def test_a_tap_that_is_told_nothing_does_not_warn(rules: Promtool) -> None:
    rules.silent(UNUSABLE, malformed("0x90"), until=90)


# -- the webhook ----------------------------------------------------------------------


def deliveries(**outcomes: str) -> dict[str, str]:
    every = {"accepted": "0x200", "ignored": "0x200", "duplicate": "0x200", "unsigned": "0x200"}
    return {
        f'bytespike_webhook_deliveries_total{{bytespike_outcome="{outcome}"}}': values
        for outcome, values in (every | {"unconfigured": "0x200"} | outcomes).items()
    }


@pytest.mark.parametrize("outcome", ["unsigned", "unconfigured"])
def test_deliveries_that_cannot_be_verified_warn(rules: Promtool, outcome: str) -> None:
    summary = (
        f"An exporter: 5 webhook deliveries of the last 6 h were {outcome}, and none was "
        "verified (all accounts)"
    )
    story = deliveries(**{outcome: "0x20 2x4 5x170"})
    rules.fires(UNVERIFIED, story, at=41, summary=summary, account_name="", outcome=outcome)


def test_strangers_who_knock_beside_the_gateway_do_not_warn(rules: Promtool) -> None:
    rules.silent(UNVERIFIED, deliveries(unsigned="0+1x200", ignored="0x10 1x190"), until=200)


def test_a_webhook_to_which_nothing_comes_does_not_warn(rules: Promtool) -> None:
    rules.silent(UNVERIFIED, deliveries(unsigned="0x50 1x150"), until=200)

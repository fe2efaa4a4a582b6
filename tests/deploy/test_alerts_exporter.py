from tests.deploy.promtool import Promtool, one, replica

REFUSED = "BytespikeKeyRefused"
UNKNOWN = "BytespikeBalanceUnknown"
STALE = "BytespikeEndpointStale"
EXPORTS = "BytespikeExportsFailing"
SILENT = "BytespikeAccountSilent"
NO_DATA = "BytespikeNoData"

UP = "bytespike_gateway_up"
POLLS = "bytespike_exporter_polls_total"
SUCCESS = "bytespike_exporter_last_success_timestamp_seconds"
BALANCE = "bytespike_wallet_balance_USD"
BUILD = 'bytespike_exporter_build_info{version="0.1.0",python="3.11.7"}'


def endpoint(up: str, name: str = "account") -> dict[str, str]:
    return one(UP, up, endpoint=name)


def refused(times: str, name: str = "account") -> dict[str, str]:
    return one(POLLS, times, endpoint=name, outcome="auth")


def success(times: str, name: str = "account") -> dict[str, str]:
    return one(SUCCESS, times, endpoint=name)


# -- the key --------------------------------------------------------------------------


def test_a_refused_key_pages_after_five_minutes(rules: Promtool) -> None:
    """A refused key is asked every five minutes, and its outcome has no series before."""
    story = (
        endpoint("1x9 0x60")
        | endpoint("1x9 0x60", "usage")
        | refused("_x10 1x4 2x4 3x4 4x30")
        | refused("_x10 1x4 2x4 3x4 4x30", "usage")
    )
    summary = "prod: the gateway refuses the API key on 2 endpoints (401 or 403)"
    rules.fires(REFUSED, story, at=15, summary=summary)


def test_a_key_that_works_again_ends_the_page(rules: Promtool) -> None:
    story = endpoint("1x9 0x19 1x60") | refused("_x10 1x4 2x4 3x4 4x70")
    summary = "prod: the gateway refuses the API key on 1 endpoints (401 or 403)"
    rules.fires(REFUSED, story, at=15, summary=summary, until=40)


def test_a_gateway_that_is_down_is_no_refused_key(rules: Promtool) -> None:
    story = endpoint("1x29 0x60") | one(POLLS, "0+1x90", endpoint="account", outcome="timeout")
    rules.silent(REFUSED, story | refused("3x90"), until=90)


def test_one_exporter_of_two_with_a_wrong_key_does_not_page(rules: Promtool) -> None:
    wrong = replica(1, endpoint("0x60") | refused("0+1x60"))
    rules.silent(REFUSED, wrong | replica(2, endpoint("1x60")), until=60)


# -- the readings ---------------------------------------------------------------------


def test_a_balance_that_stays_unknown_pages_after_half_an_hour(rules: Promtool) -> None:
    story = endpoint("1x9 0x90") | one(BALANCE, "50x12 stale")
    summary = "prod: balance in USD unknown; the account endpoint fails"
    rules.fires(UNKNOWN, story, at=43, summary=summary)


def test_an_answer_without_a_balance_pages_too(rules: Promtool) -> None:
    summary = "prod: balance in USD unknown; the account endpoint answers without one"
    rules.fires(UNKNOWN, endpoint("1x90"), at=30, summary=summary)


def test_a_short_outage_does_not_page(rules: Promtool) -> None:
    story = endpoint("1x9 0x24 1x60") | one(BALANCE, "50x12 stale _x21 50x60")
    rules.silent(UNKNOWN, story, until=90)


def test_an_endpoint_without_success_for_twenty_minutes_warns_five_minutes_later(
    rules: Promtool,
) -> None:
    story = endpoint("1x9 0x90", "usage") | success("0+60x9 540x90", "usage")
    summary = "prod: the endpoint usage last answered 25m 0s ago"
    rules.fires(STALE, story, at=35, summary=summary.replace("25m", "26m"), endpoint="usage")


def test_an_endpoint_that_never_answered_warns(rules: Promtool) -> None:
    summary = "prod: the endpoint account last answered never"
    rules.fires(STALE, endpoint("0x60"), at=5, summary=summary, endpoint="account")


def test_a_poll_that_hangs_warns_although_the_last_one_succeeded(rules: Promtool) -> None:
    story = endpoint("1x90") | success("0x90")
    summary = "prod: the endpoint account last answered 26m 0s ago"
    rules.fires(STALE, story, at=26, summary=summary, endpoint="account")


def test_an_endpoint_that_fails_now_and_then_does_not_warn(rules: Promtool) -> None:
    story = endpoint("1 0 " * 45) | success("0 0 120 120 240 240 360 360 480 480 " + "600 " * 20)
    rules.silent(STALE, story, until=30)


def test_transactions_that_are_read_every_five_minutes_do_not_warn(rules: Promtool) -> None:
    times = " ".join(str(300 * (minute // 5)) for minute in range(90))
    story = endpoint("1x90", "transactions") | success(times, "transactions")
    rules.silent(STALE, story, until=89)


def test_one_exporter_of_two_that_gets_no_answer_does_not_warn(rules: Promtool) -> None:
    lost = replica(1, endpoint("0x60") | success("0x60"))
    rules.silent(STALE, lost | replica(2, endpoint("1x60") | success("0+60x60")), until=60)


# -- the way here ---------------------------------------------------------------------


def exports(**outcomes: str) -> dict[str, str]:
    return {
        f'bytespike_exporter_exports_total{{bytespike_outcome="{outcome}"}}': values
        for outcome, values in outcomes.items()
    }


def test_exports_that_fail_warn_after_ten_minutes(rules: Promtool) -> None:
    story = exports(success="0+2x20 40x60", failure="0x20 0+2x60", partial="0x90")
    summary = "An exporter: 100% of its OTLP exports fail or lose points (all accounts)"
    rules.fires(EXPORTS, story, at=39, summary=summary, account_name="")


def test_one_exporter_of_two_whose_exports_lose_points_warns_once(rules: Promtool) -> None:
    lossy = replica(1, exports(success="0x60", failure="0x60", partial="0+2x60"))
    fine = replica(2, exports(success="0+2x60", failure="0x60", partial="0x60"))
    summary = "An exporter: 100% of its OTLP exports fail or lose points (all accounts)"
    rules.fires(EXPORTS, lossy | fine, at=11, summary=summary, account_name="")


def test_a_receiver_that_restarts_does_not_warn(rules: Promtool) -> None:
    story = exports(success="0+2x20 40x3 42+2x40", failure="0x20 2+2x3 8x40", partial="0x90")
    rules.silent(EXPORTS, story, until=60)


def test_otlp_that_is_turned_off_does_not_warn(rules: Promtool) -> None:
    rules.silent(EXPORTS, exports(success="0x60", failure="0x60", partial="0x60"), until=60)


def test_an_account_that_falls_silent_pages_while_another_reports(rules: Promtool) -> None:
    story = endpoint("1x9 stale") | one(UP, "1x90", "test", endpoint="account")
    summary = "prod: no data for more than 15 minutes"
    rules.fires(SILENT, story, at=26, summary=summary)


def test_an_account_that_moves_to_another_exporter_does_not_page(rules: Promtool) -> None:
    story = replica(1, endpoint("1x9 stale")) | replica(2, endpoint("_x20 1x70"))
    rules.silent(SILENT, story, until=90)


def test_no_data_at_all_pages(rules: Promtool) -> None:
    summary = "All accounts: no data from any exporter for 15 minutes"
    rules.fires(NO_DATA, {BUILD: "1x9 stale"}, at=26, summary=summary, account_name="")


def test_no_data_from_the_beginning_pages(rules: Promtool) -> None:
    summary = "All accounts: no data from any exporter for 15 minutes"
    rules.fires(NO_DATA, {"up": "1x60"}, at=1, summary=summary, account_name="")


def test_one_exporter_of_two_is_data(rules: Promtool) -> None:
    story = replica(1, {BUILD: "1x9 stale"}) | replica(2, {BUILD: "1x90"})
    rules.silent(NO_DATA, story, until=90)

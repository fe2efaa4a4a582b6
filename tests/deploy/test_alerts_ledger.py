from tests.deploy.promtool import Promtool, one, replica

DRIFT = "BytespikeLedgerDrift"
RESET = "BytespikeCountersReset"
REJECTED = "BytespikeUsageRowsRejected"

COST = "bytespike_usage_cost_USD_total"
ROWS = "bytespike_exporter_usage_rows_total"


def cost(values: str, key_id: str = "a", **labels: str) -> dict[str, str]:
    return one(COST, values, key_id=key_id, gen_ai_request_model="m", **labels)


def test_a_drift_that_stays_for_an_hour_warns(rules: Promtool) -> None:
    story = one("bytespike_ledger_drift_USD", "0x9 1.5x90")
    summary = "prod: wallet and counted usage have been 1.50 USD apart for an hour"
    rules.fires(DRIFT, story, at=70, summary=summary)


def test_a_drift_to_the_other_side_warns_too(rules: Promtool) -> None:
    story = one("bytespike_ledger_drift_USD", "-2x90")
    summary = "prod: wallet and counted usage have been -2.00 USD apart for an hour"
    rules.fires(DRIFT, story, at=60, summary=summary)


def test_a_drift_that_passes_does_not_warn(rules: Promtool) -> None:
    story = one("bytespike_ledger_drift_USD", "0x9 5x50 0.5x9 5x50 0x9")
    rules.silent(DRIFT, story, until=130)


def test_counters_that_begin_anew_on_the_same_target_warn(rules: Promtool) -> None:
    story = cost("100x60 0+0.1x90") | cost("10x60 0x90", key_id="b")
    summary = "prod: the usage counters fell by 110.00 USD; counting has begun anew"
    rules.fires(RESET, replica(1, story), at=66, summary=summary)


def test_counters_that_begin_anew_under_a_new_instance_warn(rules: Promtool) -> None:
    """As by OTLP, where a lost state file means another `service.instance.id`."""
    before = cost("100x60 stale", service_instance_id="before")
    after = cost("_x61 7x90", service_instance_id="after")
    summary = "prod: the usage counters fell by 93.00 USD; counting has begun anew"
    rules.fires(RESET, before | after, at=76, summary=summary)


def test_a_reset_that_is_soon_made_up_for_is_seen_all_the_same(rules: Promtool) -> None:
    story = replica(1, cost("2x60 0+1x90"))
    summary = "prod: the usage counters fell by 2.00 USD; counting has begun anew"
    rules.fires(RESET, story, at=66, summary=summary)


def test_two_exporters_that_write_one_series_are_found_out(rules: Promtool) -> None:
    story = cost("100x30 " + "90 100 " * 40)
    summary = "prod: the usage counters fell by 10.00 USD; counting has begun anew"
    rules.fires(RESET, story, at=36, summary=summary)


def test_a_restart_that_keeps_its_state_does_not_warn(rules: Promtool) -> None:
    moved = cost("100+0.1x60 stale", pod_ip="a") | cost("_x65 106.2+0.1x90", pod_ip="b")
    rules.silent(RESET, moved, until=150)
    rules.silent(RESET, cost("100+0.1x60 stale _x4 106.1+0.1x90"), until=150)


def test_a_restart_of_the_exporter_that_had_counted_longest_does_not_warn(
    rules: Promtool,
) -> None:
    longest = replica(1, cost("1000+0.1x60 stale _x6 1006.8+0.1x90"))
    rules.silent(RESET, longest | replica(2, cost("50+0.1x160")), until=150)


def test_a_key_that_appears_or_a_gateway_that_is_down_does_not_warn(rules: Promtool) -> None:
    story = cost("100x160") | cost("_x50 0+1x110", key_id="b")
    rules.silent(RESET, story, until=150)


def test_rows_that_cannot_be_understood_warn(rules: Promtool) -> None:
    story = one(ROWS, "0x59 6x60", outcome="rejected") | one(ROWS, "0+9x120", outcome="counted")
    summary = "prod: 6 usage rows of the last hour could not be understood"
    rules.fires(REJECTED, story, at=65, summary=summary)


def test_rows_that_are_counted_do_not_warn(rules: Promtool) -> None:
    story = one(ROWS, "0x120", outcome="rejected") | one(ROWS, "0+9x120", outcome="counted")
    rules.silent(REJECTED, story, until=120)

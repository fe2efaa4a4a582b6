from tests.deploy.promtool import Promtool, one, replica

RATE = "BytespikeRateLimitNearlySpent"
KEY = "BytespikeKeyQuotaLow"
MODEL = "BytespikeModelQuotaLow"

LIMIT = "bytespike_rate_limit_limit_USD"
REMAINING = "bytespike_rate_limit_remaining_USD"
RESET = "bytespike_rate_limit_reset_timestamp_seconds"
KEY_ID = "sk-byts-…9f3c"


def window(limit: str, remaining: str, reset: str = "18000x60") -> dict[str, str]:
    """What the headers tell of the tightest window of one key."""
    return (
        one(LIMIT, limit, key_id=KEY_ID)
        | one(REMAINING, remaining, key_id=KEY_ID)
        | one(RESET, reset, key_id=KEY_ID)
    )


def test_a_window_with_less_than_a_tenth_left_warns_and_says_when_it_resets(
    rules: Promtool,
) -> None:
    story = window("200x60", "20x9 19.5x50")
    summary = (
        f"prod: key {KEY_ID} has 19.50 USD left in its tightest spend window, "
        "which resets at 1970-01-01 05:00:00 +0000 UTC"
    )
    rules.fires(RATE, story, at=15, summary=summary, key_id=KEY_ID)


def test_a_window_that_resets_ends_the_warning(rules: Promtool) -> None:
    story = window("200x80", "1x20 stale _x5 200x60", "1800x20 stale _x5 19800x60")
    summary = (
        f"prod: key {KEY_ID} has 1.00 USD left in its tightest spend window, "
        "which resets at 1970-01-01 00:30:00 +0000 UTC"
    )
    rules.fires(RATE, story, at=5, summary=summary, until=26, key_id=KEY_ID)


def test_a_window_with_enough_left_does_not_warn(rules: Promtool) -> None:
    rules.silent(RATE, window("200x60", "20x60"), until=60)


def test_a_window_that_another_replaces_as_the_tightest_does_not_warn(rules: Promtool) -> None:
    rules.silent(RATE, window("1000x20 50x40", "300x20 40x40"), until=60)


def test_exporters_that_were_told_of_different_windows_are_not_mixed(rules: Promtool) -> None:
    """Of 1000 USD 300 are left, of 50 USD 40: less than a tenth of a thousand."""
    story = replica(1, window("1000x60", "300x60")) | replica(2, window("50x60", "40x60"))
    rules.silent(RATE, story, until=60)


def test_a_key_near_its_lifetime_cap_warns(rules: Promtool) -> None:
    story = one("bytespike_key_quota_remaining_USD", "5x9 4.5x50", key_id=KEY_ID)
    summary = f"prod: key {KEY_ID} has 4.50 USD left of its lifetime cap"
    rules.fires(KEY, story, at=15, summary=summary, key_id=KEY_ID)


def test_a_key_that_only_the_tap_sees_now_and_then_warns_too(rules: Promtool) -> None:
    """It is used every twenty minutes, and shown for three after that."""
    seen = "4.5x2 stale _x16 " * 4
    summary = f"prod: key {KEY_ID} has 4.50 USD left of its lifetime cap"
    story = one("bytespike_key_quota_remaining_USD", seen, key_id=KEY_ID)
    rules.fires(KEY, story, at=5, summary=summary, key_id=KEY_ID)
    rules.stays(KEY, story, since=5, until=79)


def test_a_cap_that_was_raised_ends_the_warning(rules: Promtool) -> None:
    summary = f"prod: key {KEY_ID} has 4.50 USD left of its lifetime cap"
    story = one("bytespike_key_quota_remaining_USD", "4.5x20 100x60", key_id=KEY_ID)
    rules.fires(KEY, story, at=5, summary=summary, key_id=KEY_ID, until=37)


def test_a_key_with_enough_of_its_cap_does_not_warn(rules: Promtool) -> None:
    story = one("bytespike_key_quota_remaining_USD", "5x60", key_id=KEY_ID)
    rules.silent(KEY, story, until=60)


def test_a_model_near_its_cap_warns(rules: Promtool) -> None:
    name, model = "bytespike_quota_utilization_ratio", "gpt-5-4"
    story = one(name, "0.9x9 0.95x50", gen_ai_request_model=model)
    summary = "prod: 95% of the cap of model gpt-5-4 is spent"
    rules.fires(MODEL, story, at=15, summary=summary, gen_ai_request_model=model)


def test_a_model_under_nine_tenths_of_its_cap_does_not_warn(rules: Promtool) -> None:
    story = one("bytespike_quota_utilization_ratio", "0.9x60", gen_ai_request_model="a")
    rules.silent(MODEL, story, until=60)

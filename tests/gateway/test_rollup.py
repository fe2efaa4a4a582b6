"""The usage rollup (contract §3b)."""

from __future__ import annotations

import pytest

from exporter.config.types import UsageMode
from exporter.errors import BadResponseError
from exporter.gateway.readings import KeyRef, RollupReading, UsageBucket
from tests.gateway.fakes import MASKED, NOW, Bench, bucket, reply

HOUR = 1779372000


def reading_of(*buckets: object) -> RollupReading:
    [reading] = Bench(reply({"buckets": list(buckets), "totals": {}})).usage()
    assert isinstance(reading, RollupReading)
    return reading


def test_a_documented_bucket_is_read_exactly() -> None:
    key = KeyRef(masked="sk-byts-…9f3c")
    expected = UsageBucket(HOUR, "claude-sonnet-4-6", key, 2_100_000_000, 88000, 11200, 142)
    assert reading_of(bucket()) == RollupReading((expected,), ())
    assert reading_of() == RollupReading((), ())


def test_a_bucket_names_its_key_as_a_row_does() -> None:
    buckets = reading_of(bucket(api_key={"id": 17, "name": "n"}), bucket(api_key=None)).buckets
    assert [entry.key for entry in buckets] == [KeyRef("17", None, "n"), KeyRef(masked=MASKED)]


@pytest.mark.parametrize(
    "spelled",
    [
        "2026-05-21T14:00:00Z",
        "2026-05-21T14:00Z",
        "2026-05-21T14:00",
        "2026-05-21T14",
        "2026-05-21T14Z",
        "2026-05-21 14:00:00",
        "2026-05-21 14",
        "2026-05-21T16:00:00+02:00",
        "2026-05-21T14:00:00.000000Z",
    ],
)
def test_an_hour_may_be_written_in_many_ways(spelled: str) -> None:
    reading = reading_of(bucket(bucket=spelled))
    assert [entry.hour for entry in reading.buckets] == [HOUR]


@pytest.mark.parametrize(
    "change",
    [
        {"bucket": "2026-05-21T14:30:00Z"},
        {"bucket": "2026-05-21"},
        {"bucket": None},
        {"total_usd": -0.01},
        {"total_usd": None},
        {"total_usd": "?"},
        {"total_usd": 1_000_001},
        {"input_tokens": None},
        {"output_tokens": -1},
        {"call_count": 1.5},
    ],
)
def test_a_bad_bucket_costs_one_bucket(change: dict[str, object]) -> None:
    reading = reading_of(bucket(), bucket(model="other", **change))
    assert [entry.model for entry in reading.buckets] == ["claude-sonnet-4-6"]
    assert len(reading.rejected) == 1


def test_buckets_of_keys_whose_masked_forms_collide_are_all_handed_on() -> None:
    reading = reading_of(bucket(), bucket(), bucket(total_usd=3))
    assert [entry.cost for entry in reading.buckets] == [2_100_000_000] * 2 + [3_000_000_000]
    assert reading.rejected == ()


def test_the_range_begins_with_a_whole_hour() -> None:
    bench = Bench(reply({"buckets": []}))
    bench.usage(NOW - 3600, NOW + 0.125)
    assert bench.queries == [
        {
            "since": "2026-05-21T13:00:00Z",
            "until": "2026-05-21T14:08:11.125Z",
            "group_by": "hour,model,api_key",
        }
    ]


def test_a_rollup_where_the_log_is_wanted_is_named_even_if_it_comes_in_days() -> None:
    days = {"buckets": [bucket(bucket="2026-05-21")]}
    with pytest.raises(BadResponseError, match=r"set usage\.mode to rollup or auto"):
        Bench(reply(days), mode=UsageMode.LOG).usage()

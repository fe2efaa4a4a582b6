"""A charge that nobody could owe costs its row and not the rest of the answer."""

from __future__ import annotations

import msgspec

from exporter.gateway.readings import KeyRef, RollupReading
from exporter.gateway.usage_answer import LogAnswer, read_usage

OWN = KeyRef(masked="sk-byts-…9f3c")
ABSURD_USD = 1_000_001


def test_an_absurd_charge_costs_its_row() -> None:
    rows = [
        {"request_id": f"r{n}", "created_at": "2026-05-21T14:08:11Z", "credits": credits}
        for n, credits in enumerate((5, ABSURD_USD * 1_000_000))
    ]
    answer = read_usage(msgspec.json.encode({"items": rows}), OWN, 1_000_000)
    assert isinstance(answer, LogAnswer)
    assert [row.cost for row in answer.rows] == [5000]
    assert [row.row_id for row in answer.rejected] == ["r1"]


def test_an_absurd_hour_costs_its_bucket() -> None:
    counts = {"input_tokens": 1, "output_tokens": 1, "call_count": 1}
    buckets = [
        {"bucket": "2026-05-21T14:00:00Z", "model": f"m{usd}", "total_usd": usd, **counts}
        for usd in (2, ABSURD_USD)
    ]
    reading = read_usage(msgspec.json.encode({"buckets": buckets}), OWN, 1_000_000)
    assert isinstance(reading, RollupReading)
    assert [bucket.cost for bucket in reading.buckets] == [2_000_000_000]
    assert len(reading.rejected) == 1

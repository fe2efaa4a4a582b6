"""The usage log (contract §3a): rows in every form that has to be tolerated."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from exporter.gateway.readings import KeyRef, LogPage, UsageRow
from exporter.gateway.usage_answer import priced
from tests.gateway.fakes import MASKED, NOW, Bench, paged, raw, reply, row

NAMED = KeyRef("17", "sk-byts-…9f3c", "prod-vision")


def rows_of(bench: Bench) -> list[UsageRow]:
    return [entry for page in bench.usage() for entry in page.rows]


def test_a_documented_row_is_read_exactly() -> None:
    [page] = Bench(paged([row(0, created_at="2026-05-21T14:08:10.123Z")])).usage()
    expected = UsageRow(
        "req_000000", 1779372490.123, "claude-sonnet-4-6", NAMED, 9_120_000, 1820, 244
    )
    assert page == LogPage((expected,), (), last=True)


@pytest.mark.parametrize("name", ["items", "data", "rows", "usage", None])
@pytest.mark.parametrize("rows", [[], [row(0), row(1)]], ids=["empty", ""])
def test_the_list_may_stand_bare_or_under_any_of_four_names(
    name: str | None, rows: list[object]
) -> None:
    pages = Bench(reply({name: rows, "total": len(rows)} if name else rows)).usage()
    assert sum(len(page.rows) for page in pages) == len(rows)
    assert pages[-1].last


@pytest.mark.parametrize(
    "spelled",
    [
        "2026-05-21T14:08:00Z",
        "2026-05-21T14:08:00.000Z",
        "2026-05-21t14:08:00z",
        "2026-05-21 14:08:00",
        "2026-05-21 14:08:00 UTC",
        "2026-05-21T14:08",
        "2026-05-21T14:08Z",
        "2026-05-21T16:08:00+02:00",
        "2026-05-21T16:08:00+0200",
        "2026-05-21T09:38:00.000000000-04:30",
        1779372480,
        1779372480.0,
        "1779372480",
        1779372480000,
    ],
)
def test_an_instant_may_be_written_in_many_ways(spelled: object) -> None:
    [entry] = rows_of(Bench(reply([row(0, created_at=spelled)])))
    assert entry.created_at == 1779372480.0


@pytest.mark.parametrize(
    ("spelled", "expected"),
    [
        ({"id": 17, "name": "n", "masked": "sk-byts-…1111"}, KeyRef("17", "sk-byts-…1111", "n")),
        ({"id": "k_17"}, KeyRef(gateway_id="k_17")),
        ("sk-byts-…1111", KeyRef(masked="sk-byts-…1111")),
        (17, KeyRef(gateway_id="17")),
        ("17", KeyRef(gateway_id="17")),
        (None, KeyRef(masked=MASKED)),
        ({}, KeyRef(masked=MASKED)),
        ("", KeyRef(masked=MASKED)),
    ],
)
def test_a_row_names_its_key_in_any_form(spelled: object, expected: KeyRef) -> None:
    [entry] = rows_of(Bench(reply([row(0, api_key=spelled)])))
    assert entry.key == expected


def test_a_whole_key_in_place_of_a_masked_one_is_masked_here() -> None:
    other = "sk-byts-ffffffffffffffffffff1234"
    [entry] = rows_of(Bench(reply([row(0, api_key={"id": 1, "masked": other, "name": other})])))
    assert entry.key == KeyRef("1", "sk-byts-…1234", "sk-byts-…1234")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"request_id": None}, "request_id"),
        ({"request_id": ""}, "request_id"),
        ({"request_id": "x" * 300}, "request_id"),
        ({"created_at": "yesterday"}, "created_at"),
        ({"created_at": "2026-05-21"}, "created_at"),
        ({"created_at": "9999-01-01T00:00:00Z"}, "created_at"),
        ({"created_at": 1e300}, "created_at"),
        ({"credits": None}, "credits"),
        ({"credits": "lots"}, "credits"),
        ({"credits": -1}, "credits"),
        ({"credits": float("nan")}, "credits"),
        ({"credits": 1e40}, "credits"),
        ({"credits": 1_000_001_000_000}, "credits"),  # nobody could owe so much for a call
        ({"credits": True}, "credits"),
        ({"prompt_tokens": -1}, "prompt_tokens"),
        ({"prompt_tokens": 1.5}, "prompt_tokens"),
        ({"completion_tokens": "x"}, "completion_tokens"),
        ({"completion_tokens": ""}, "completion_tokens"),
        ({"completion_tokens": 10**30}, "completion_tokens"),
        ({"api_key": ["?"]}, "api_key"),
        ({"api_key": True}, "api_key"),
    ],
)
def test_a_bad_row_costs_one_row(change: dict[str, object], reason: str) -> None:
    rows = [row(0), row(1, **change), row(2)]
    [page] = Bench(paged(rows)).usage()
    assert [entry.request_id for entry in page.rows] == ["req_000000", "req_000002"]
    [bad] = page.rejected
    assert reason in bad.reason
    assert bad.row_id in ("req_000001", "row 2 of its page", "x" * 80)


def test_what_is_missing_but_not_needed_does_no_harm() -> None:
    bare = {"request_id": 7, "created_at": NOW - 5, "credits": "12.0", "prompt_tokens": 3.0}
    [entry] = rows_of(Bench(reply([bare | {"completion_tokens": None}])))
    assert (entry.request_id, entry.model, entry.cost) == ("7", "unknown", 12_000)
    assert entry.key == KeyRef(masked=MASKED)
    assert (entry.input_tokens, entry.output_tokens) == (3, 0)


def test_a_page_with_a_lone_surrogate_keeps_its_rows() -> None:
    body = json.dumps([row(0, model="\ud800odd"), row(1)]).encode()
    entries = rows_of(Bench(raw(body)))
    assert len(entries) == 2
    assert entries[0].model.encode("utf-8").endswith(b"odd")


def test_bytes_that_are_not_utf_8_harm_one_string_only() -> None:
    body = json.dumps([row(0), row(1)]).encode().replace(b"req_000001", b"req_\xff00001")
    assert [entry.request_id for entry in rows_of(Bench(raw(body)))] == [
        "req_000000",
        "req_�00001",
    ]


@pytest.mark.parametrize(
    ("per_usd", "spelled", "nanos"),
    [
        (1_000_000, "0.0005", 0),
        (1_000_000, "0.0015", 2),
        (1_000_000, "0.00050000000000000000000000000000000000000001", 1),
        (1, "0.00912", 9_120_000),
        (1, "0.1", 100_000_000),
    ],
)
def test_credits_become_nanos_exactly(per_usd: int, spelled: str, nanos: int) -> None:
    entry = json.dumps(row(0, credits="CREDITS")).replace('"CREDITS"', spelled)
    bench = Bench(raw(f"[{entry}]".encode()), credits_per_usd=per_usd)
    assert [found.cost for found in rows_of(bench)] == [nanos]


def test_a_row_whose_unit_is_not_known_says_its_credits_and_no_cost() -> None:
    made = [row(0, credits=9120), row(1, credits=0), row(2, credits="1.47"), row(3, credits=-1)]
    found = rows_of(Bench(reply({"items": made}), credits_per_usd=None))
    assert [one.credits for one in found] == [9120, None, Decimal("1.47")]
    assert [one.cost for one in found] == [0, 0, 0]


def test_rows_that_waited_cost_what_they_say_and_an_absurd_one_costs_itself() -> None:
    made = [row(0, credits=9120), row(1, credits=0), row(2, credits=10**9)]
    found = rows_of(Bench(reply({"items": made}), credits_per_usd=None))
    known = rows_of(Bench(reply({"items": made[:2]}), credits_per_usd=1))
    good, bad = priced(found, 1)
    assert good == known
    assert [one.row_id for one in bad] == [found[2].request_id]
    assert priced(found, 1_000_000)[1] == ()

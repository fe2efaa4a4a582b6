"""Which page comes next, and when a list ends, against gateways that lie about it."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from exporter.config.types import UsageMode
from exporter.errors import BadRequestError, BadResponseError
from exporter.gateway.readings import LogPage
from tests.gateway.fakes import (
    NOW,
    Bench,
    Handler,
    paged,
    raw,
    reply,
    row,
    run,
    script,
    transaction,
)

ROWS = [row(number) for number in range(500)]
OLD = [row(10_000 - number) for number in range(200)]
IDS = [str(entry["request_id"]) for entry in ROWS]


def read(bench: Bench) -> list[str]:
    pages = bench.usage()
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    return [entry.request_id for page in pages for entry in page.rows]


def by_cursor(rows: list[dict[str, object]]) -> Handler:
    def handler(request: httpx.Request) -> httpx.Response:
        start = int(request.url.params.get("cursor", "c0")[1:])
        following = f"c{start + 200}" if start + 200 < len(rows) else None
        return httpx.Response(
            200, json={"data": rows[start : start + 200], "next_cursor": following}
        )

    return handler


def in_two(first: int, second: int) -> Handler:
    """Two pages that promise 300 rows."""
    return script(
        reply({"items": ROWS[:first], "page_size": 200, "total": 300}),
        reply({"items": ROWS[first:second], "page_size": 200, "total": 300}),
    )


@pytest.mark.parametrize(
    ("gateway", "ids", "most"),
    [
        (paged(ROWS), IDS, 3),
        (by_cursor(ROWS), IDS, 3),
        (paged(ROWS[:400]), IDS[:400], 3),
        (paged(ROWS[:150], paging={"total": None}), IDS[:150], 2),
        (in_two(150, 300), IDS[:300], 3),
        (paged(OLD + ROWS[::-1]), IDS[::-1], 5),
        (reply({"items": ROWS[:3]}), IDS[:3], 3),
        (reply({"items": ROWS[:3], "total": 3, "page_size": 3}), IDS[:3], 9),
    ],
    ids=["pages", "cursors", "exact", "short", "promised", "oldest first", "mute", "repeated"],
)
def test_a_list_is_read_to_its_end(gateway: Handler, ids: list[str], most: int) -> None:
    bench = Bench(gateway, mode=UsageMode.LOG)
    rows = read(bench)
    assert [row for row in dict.fromkeys(rows) if row in ids] == ids
    assert len(bench.requests) <= most
    assert bench.queries[0]["limit"] == "200"


@pytest.mark.parametrize(
    "said",
    [
        {"total": None},
        {"total": 0},
        {"total": 1},
        {"total": 10**9},
        {"total": "many"},
        {"page_size": None},
        {"page_size": None, "total": None},
        {"page_size": 0},
    ],
    ids=str,
)
def test_a_lie_about_the_size_loses_no_row(said: dict[str, object]) -> None:
    assert read(Bench(paged(ROWS, paging=said))) == IDS


@pytest.mark.parametrize(
    "answer",
    [
        lambda asked: {"items": ROWS[:200], "total": 5824, "page_size": 200},
        lambda asked: {"items": ROWS[:200]},
        lambda asked: {"items": ROWS[:20], "page_size": 20},
        lambda asked: {"items": ROWS[:20], "next_cursor": "same"},
        lambda asked: {"items": [], "next_cursor": f"c{asked}"},
    ],
    ids=["total", "mute", "page_size", "cursor", "fresh cursors without rows"],
)
def test_a_gateway_that_does_not_turn_the_page_is_noticed(
    answer: Callable[[int], object],
) -> None:

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=answer(len(bench.requests)))

    bench = Bench(handler, mode=UsageMode.LOG)
    with pytest.raises(BadResponseError, match="paging loops"):
        bench.usage()
    assert len(bench.requests) <= 20


def test_rows_that_arrive_while_reading_lose_none() -> None:
    arrived = 0

    def handler(request: httpx.Request) -> httpx.Response:
        nonlocal arrived
        page = int(request.url.params.get("page", "1"))
        rows = [row(9000 + n, created_at=NOW - 1) for n in range(arrived)] + ROWS
        arrived += 30
        return httpx.Response(
            200, json={"items": rows[(page - 1) * 200 : page * 200], "total": len(rows)}
        )

    assert set(IDS) <= set(read(Bench(handler)))


def test_a_gateway_that_ignores_since_is_not_read_to_its_beginning() -> None:
    def endless(request: httpx.Request) -> list[dict[str, object]]:
        hours = int(request.url.params.get("page", "1")) - 1
        return [row(number + 3600 * hours) for number in range(200)]

    bench = Bench(
        lambda r: httpx.Response(200, json={"items": endless(r), "page_size": 200}),
        mode=UsageMode.LOG,
    )
    pages = bench.usage(NOW - 3600, NOW)
    assert len(bench.requests) <= 3
    assert sum(len(page.rows) for page in pages) >= 200


def test_a_refused_second_page_fails_the_poll_and_keeps_the_first() -> None:
    bench = Bench(script(paged(ROWS), reply({"error": {"type": "invalid"}}, 400)))
    seen: list[LogPage] = []

    async def consume() -> None:
        async for page in bench.client.usage(NOW - 7200, NOW):
            assert isinstance(page, LogPage)
            seen.append(page)

    with pytest.raises(BadRequestError):
        run(consume())
    assert [len(page.rows) for page in seen] == [200]


@pytest.mark.parametrize(
    ("gateway", "told"),
    [
        (script(paged(ROWS), raw(b'{"items": [{"request')), "is not JSON"),
        (script(paged(ROWS), reply({"buckets": []})), "the rollup"),
        (reply({"items": ROWS[:1], "next_cursor": "x" * 100_000}), "next_cursor"),
    ],
    ids=["cut off", "another shape", "absurd cursor"],
)
def test_a_page_that_cannot_be_followed_fails_the_poll(gateway: Handler, told: str) -> None:
    with pytest.raises(BadResponseError, match=told):
        Bench(gateway, mode=UsageMode.LOG).usage()


def test_transactions_are_read_page_by_page() -> None:
    items = [transaction(number) for number in range(250)]
    bench = Bench(paged(items))
    pages = bench.transactions(NOW - 7200.5, NOW)
    assert [len(page.items) for page in pages] == [200, 50]
    assert bench.queries[1] == {
        "page": "2",
        "page_size": "200",
        "since": "2026-05-21T12:08:10.500Z",
        "until": "2026-05-21T14:08:11Z",
    }


def test_a_bad_transaction_costs_one_transaction() -> None:
    items = [
        transaction(0, id="tx_1", amount_usd=-12.345678901),
        transaction(1, id=None),
        transaction(2, created_at="?"),
        transaction(3, kind=""),
        transaction(4, amount_usd="NaN"),
        transaction(5, kind="k" * 100),
        7,
    ]
    [page] = Bench(reply({"items": items, "total": 7, "page_size": 50})).transactions()
    assert [(item.id, item.amount) for item in page.items] == [
        ("tx_1", -12_345_678_901),
        ("899995", 50_000_000_000),
    ]
    assert page.items[1].kind == "k" * 64
    assert len(page.rejected) == 5


@pytest.mark.parametrize(
    ("body", "kind", "advice"),
    [
        (b"<html><title>Login</title>", "text/html", "is not JSON"),
        (b"", "application/json; charset=utf-8", "is empty"),
        (b"{}", "text/evil\x1b", "is in no known dialect: it holds nothing"),
        (b"[" * 100_000, "application/json", "is nested too deeply"),
    ],
)
def test_an_answer_that_is_no_reading_says_what_came_instead(
    body: bytes, kind: str, advice: str
) -> None:
    bench = Bench(raw(body, 200, {"Content-Type": kind}))
    shown = "an unusual type" if "evil" in kind else kind.partition(";")[0]
    for path, poll in (
        ("account", bench.account),
        ("usage", bench.usage),
        ("billing/transactions", bench.transactions),
    ):
        said = f"GET /api/v1/me/{path} answered 200 with {shown}, but the answer {advice}"
        with pytest.raises(BadResponseError, match=said):
            poll()

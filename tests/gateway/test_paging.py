"""Which page comes next, and when a list ends, against gateways that lie about it."""

from __future__ import annotations

import httpx
import pytest

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


def test_numbered_pages_are_read_to_the_end() -> None:
    bench = Bench(paged(ROWS))
    assert read(bench) == IDS
    assert [query.get("page") for query in bench.queries] == [None, "2", "3"]
    assert all(query["limit"] == "200" for query in bench.queries)


def test_cursors_are_followed_and_keep_the_other_parameters() -> None:
    bench = Bench(by_cursor(ROWS))
    assert read(bench) == IDS
    assert [query.get("cursor") for query in bench.queries] == [None, "c200", "c400"]
    assert {query["since"] for query in bench.queries} == {bench.queries[0]["since"]}


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


def test_a_total_that_is_exact_is_still_checked_by_one_more_question() -> None:
    bench = Bench(paged(ROWS[:400]))
    assert read(bench) == IDS[:400]
    assert len(bench.requests) == 3


def test_a_short_page_ends_the_list_unless_total_says_more() -> None:
    short = Bench(paged(ROWS[:150], paging={"total": None}))
    assert read(short) == IDS[:150]
    assert len(short.requests) == 1
    holes = script(
        reply({"items": ROWS[:150], "page_size": 200, "total": 300}),
        reply({"items": ROWS[150:300], "page_size": 200, "total": 300}),
    )
    assert read(Bench(holes)) == IDS[:300]


@pytest.mark.parametrize(
    "answer",
    [
        {"items": ROWS[:200], "total": 5824, "page_size": 200},
        {"items": ROWS[:200]},
        {"items": ROWS[:20], "page_size": 20},
        {"items": ROWS[:20], "next_cursor": "same"},
    ],
    ids=["total", "mute", "page_size", "cursor"],
)
def test_a_gateway_that_does_not_turn_the_page_is_noticed(answer: dict[str, object]) -> None:
    bench = Bench(reply(answer))
    with pytest.raises(BadResponseError, match="paging loops"):
        bench.usage()
    assert len(bench.requests) <= 4


def test_a_gateway_that_does_not_turn_the_page_is_noticed_under_traffic_too() -> None:
    asked = 0

    def handler(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        fresh = [row(1000 + asked * 10 + new) for new in range(10)]
        return httpx.Response(200, json={"items": fresh + ROWS[:190], "page_size": 200})

    with pytest.raises(BadResponseError, match="paging loops"):
        Bench(handler).usage()
    assert asked < 6


def test_fresh_cursors_without_rows_come_to_an_end() -> None:
    asked = 0

    def handler(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        return httpx.Response(200, json={"items": [], "next_cursor": f"c{asked}"})

    with pytest.raises(BadResponseError, match="paging loops"):
        Bench(handler).usage()
    assert asked <= 20


@pytest.mark.parametrize("said", [{}, {"total": 3, "page_size": 3}], ids=["mute", "exact"])
def test_a_repeated_page_is_the_end_where_nothing_promised_more(said: dict[str, object]) -> None:
    assert read(Bench(reply({"items": ROWS[:3]} | said))) == IDS[:3]


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

    bench = Bench(lambda r: httpx.Response(200, json={"items": endless(r), "page_size": 200}))
    pages = bench.usage(NOW - 3600, NOW)
    assert len(bench.requests) == 2
    assert [len(page.rows) for page in pages] == [200, 0]


def test_oldest_first_loses_nothing() -> None:
    old = [row(10_000 - number) for number in range(200)]
    assert read(Bench(paged(old + ROWS[::-1]))) == IDS[::-1]


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


def test_a_page_that_is_cut_off_fails_the_poll() -> None:
    bench = Bench(script(paged(ROWS), raw(b'{"items": [{"request')))
    with pytest.raises(BadResponseError):
        bench.usage()


def test_a_shape_that_changes_between_pages_is_said() -> None:
    bench = Bench(script(paged(ROWS), reply({"buckets": []})))
    with pytest.raises(BadResponseError, match="between two pages"):
        bench.usage()


def test_an_absurd_cursor_is_a_bad_response() -> None:
    with pytest.raises(BadResponseError, match="next_cursor"):
        Bench(reply({"items": ROWS[:1], "next_cursor": "x" * 100_000})).usage()


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
        (b"{}", "text/evil\x1b", "holds"),
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

"""How a gateway's dialect of `/me/usage` is found and remembered."""

from __future__ import annotations

import httpx
import pytest

from exporter.config.types import UsageMode
from exporter.errors import BadRequestError, BadResponseError
from exporter.gateway.readings import LogPage, RollupReading
from tests.gateway.fakes import NOW, Bench, Handler, bucket, paged, reply, row, script

ROWS = [row(number) for number in range(50)]


def refusing(*names: str, then: Handler) -> Handler:
    """A gateway that answers 400 to parameters that it does not know."""

    def handler(request: httpx.Request) -> httpx.Response:
        if any(name in request.url.params for name in names):
            return httpx.Response(400, json={"error": {"type": "invalid_request_error"}})
        return then(request)

    return handler


@pytest.mark.parametrize(
    ("refused", "kept"),
    [
        ((), {"limit"}),
        (("limit",), {"page_size"}),
        (("group_by",), {"limit"}),
        (("group_by", "limit"), {"page_size"}),
        (("group_by", "limit", "page_size"), set()),
    ],
)
def test_what_is_refused_is_left_out_and_remembered(
    refused: tuple[str, ...], kept: set[str]
) -> None:
    bench = Bench(refusing(*refused, then=paged(ROWS)))
    assert sum(len(page.rows) for page in bench.usage()) == 50
    bench.requests.clear()
    assert sum(len(page.rows) for page in bench.usage()) == 50
    query = bench.queries[0]
    assert set(query) == {"since", "until"} | kept


def test_a_dialect_that_stops_working_is_looked_for_again() -> None:
    bench = Bench(script(paged(ROWS), refusing("group_by", then=paged(ROWS))))
    bench.usage()
    assert len(bench.usage()) == 1
    assert "group_by" not in bench.queries[-1]


@pytest.mark.parametrize(("status", "asked"), [(400, 6), (404, 3)])
def test_a_gateway_that_refuses_everything_is_asked_a_bounded_number_of_times(
    status: int, asked: int
) -> None:
    bench = Bench(reply({}, status))
    with pytest.raises(BadRequestError):
        bench.usage()
    assert len(bench.requests) == asked


def test_a_gateway_that_changes_its_shape_is_followed() -> None:
    log, rollup = paged(ROWS), reply({"buckets": [bucket()]})
    spoken = [log, rollup, log]

    def handler(request: httpx.Request) -> httpx.Response:
        return spoken[0](request)

    bench = Bench(handler)
    for shape in (LogPage, RollupReading, LogPage):
        assert isinstance(bench.usage()[0], shape)
        spoken.pop(0)


@pytest.mark.parametrize(
    ("mode", "answer", "advice"),
    [
        (UsageMode.LOG, {"buckets": []}, "set usage.mode to rollup or auto"),
        (UsageMode.ROLLUP, {"items": []}, "set usage.mode to log or auto"),
    ],
)
def test_a_forced_mode_says_which_setting_to_change(
    mode: UsageMode, answer: object, advice: str
) -> None:
    with pytest.raises(BadResponseError, match=advice):
        Bench(reply(answer), mode=mode).usage()


def test_the_log_mode_never_asks_for_groups() -> None:
    bench = Bench(paged(ROWS), mode=UsageMode.LOG)
    bench.usage(NOW - 3600.25, NOW)
    assert bench.queries == [
        {"since": "2026-05-21T13:08:10.750Z", "until": "2026-05-21T14:08:11Z", "limit": "200"}
    ]


def twenty_unless_page_size(request: httpx.Request) -> httpx.Response:
    size = int(request.url.params.get("page_size", "20"))
    return paged(ROWS, size)(request)


def test_small_pages_are_made_larger_where_page_size_helps() -> None:
    bench = Bench(twenty_unless_page_size)
    assert [len(page.rows) for page in bench.usage()] == [50]
    bench.requests.clear()
    assert [len(page.rows) for page in bench.usage()] == [50]
    assert len(bench.requests) == 1


@pytest.mark.parametrize("refused", [True, False])
def test_small_pages_are_lived_with_where_nothing_helps(refused: bool) -> None:
    small = paged(ROWS, 20)
    bench = Bench(refusing("page_size", then=small) if refused else small)
    assert [len(page.rows) for page in bench.usage()] == [20, 20, 10]
    bench.requests.clear()
    assert [len(page.rows) for page in bench.usage()] == [20, 20, 10]
    assert len(bench.requests) == 3

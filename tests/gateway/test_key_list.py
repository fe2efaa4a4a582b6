"""The list of keys: what it says of each, how it pages, and that no key leaves it in full."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from exporter.errors import GatewayError
from exporter.gateway.fields import key_ref
from exporter.gateway.key_list import read_keys
from exporter.gateway.readings import KeyRef, KeysReading, KeyWindow, ListedKey, WindowReading
from tests.gateway.fakes import NOW, Bench, run

FULL = "sk-byts-abcdefghijklmnop1234"
USD = 10**9


def listed(*rows: dict[str, Any]) -> tuple[ListedKey, ...]:
    return read_keys(json.dumps({"items": rows}).encode(), NOW).keys


def window(key: ListedKey, window: KeyWindow) -> WindowReading | None:
    return next((one for one in key.limits.windows if one.window is window), None)


def test_the_documented_key_is_read_with_its_caps_and_expiry() -> None:
    [key] = listed(
        {
            "id": 17,
            "name": "prod",
            "key": "sk-byts-...****1234",
            "quota": 500,
            "rate_limit_5h": 20.5,
            "rate_limit_1d": 0,
            "expires_at": "2026-12-01T00:00:00Z",
        }
    )
    assert key.key == KeyRef("17", "sk-byts-…1234", "prod")
    assert window(key, KeyWindow.LIFETIME) == WindowReading(KeyWindow.LIFETIME, 500 * USD)
    assert window(key, KeyWindow.FIVE_HOURS) == WindowReading(KeyWindow.FIVE_HOURS, 20_500_000_000)
    assert window(key, KeyWindow.DAY) == WindowReading(KeyWindow.DAY, 0)
    assert window(key, KeyWindow.WEEK) is None
    assert key.limits.expires_at == 1_796_083_200.0


def test_what_stock_tells_of_a_key_in_full_is_read_and_the_key_is_masked() -> None:
    [key] = listed(
        {
            "id": 17,
            "name": f"key {FULL}",
            "key": FULL,
            "quota": 10,
            "quota_used": 9.25,
            "rate_limit_5h": 2,
            "usage_5h": 1.5,
            "reset_5h_at": "2026-05-21T15:00:00Z",
        }
    )
    assert FULL not in repr(key)
    assert key.key == KeyRef("17", "sk-byts-…1234", "key sk-byts-…1234")
    lifetime = WindowReading(KeyWindow.LIFETIME, 10 * USD, 9_250_000_000)
    assert window(key, KeyWindow.LIFETIME) == lifetime
    five = window(key, KeyWindow.FIVE_HOURS)
    assert five == WindowReading(KeyWindow.FIVE_HOURS, 2 * USD, 1_500_000_000, 1_779_375_600.0)


@pytest.mark.parametrize(
    ("given", "masked"),
    [
        ("sk-byts-...****1234", "sk-byts-…1234"),
        ("sk-byts-…9f3c", "sk-byts-…9f3c"),
        (FULL, "sk-byts-…1234"),
        ("a-key-that-a-customer-chose", "…hose"),
        ("short-and-chosen", "…"),
    ],
)
def test_a_key_has_one_form_whichever_it_came_in(given: str, masked: str) -> None:
    [key] = listed({"id": 17, "key": given})
    assert key.key.masked == masked
    row: dict[str, Any] = {"api_key": {"id": 17, "key": given}}
    assert key_ref(row, KeyRef()).masked == masked


@pytest.mark.parametrize("text", ["17", "key-17", "0b9f3c52-1f0e-4c7e-9a52-6f1f0e4c7e9a"])
def test_an_id_of_a_row_is_no_key(text: str) -> None:
    assert key_ref({"api_key": text}, KeyRef()) == KeyRef(gateway_id=text)


@pytest.mark.parametrize(
    ("row", "expires_at"),
    [
        ({"expires_at": None}, None),
        ({"expires_at": "0001-01-01T00:00:00Z"}, None),
        ({"expires_at": 1_800_000_000}, 1_800_000_000.0),
        ({"expires_at": "2026-12-01"}, 1_796_083_200.0),
        ({"expires_in_days": 3}, NOW + 3 * 86_400),
        ({"expires_in_days": 0}, None),
    ],
)
def test_an_expiry_may_be_a_time_a_day_or_days_ahead(
    row: dict[str, Any], expires_at: float | None
) -> None:
    [key] = listed({"id": 17, **row})
    assert (key.limits.expires_at, key.unreadable) == (expires_at, ())


def test_what_cannot_be_read_of_a_key_is_named_and_unknown() -> None:
    [key] = listed({"id": 17, "quota": "$50", "rate_limit_1d": "1,050.00", "expires_at": "soon"})
    assert set(key.unreadable) == {"quota", "rate_limit_1d", "expires_at"}
    assert key.limits.windows == ()


# -- pages and wraps


def read(pages: list[object] | object, status: int = 200) -> tuple[KeysReading, Bench]:
    def handler(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params.get("page", "1"))
        body = pages[min(number, len(pages)) - 1] if isinstance(pages, list) else pages
        return httpx.Response(status, json=body)

    bench = Bench(handler)
    return run(bench.client.keys()), bench


def rows(first: int, last: int) -> list[dict[str, Any]]:
    return [{"id": number, "name": f"k{number}", "key": FULL} for number in range(first, last)]


def test_a_wrapped_list_is_read_page_by_page() -> None:
    def page(number: int, items: list[dict[str, Any]]) -> object:
        inner = {"items": items, "total": 25, "page": number, "page_size": 20, "pages": 2}
        return {"code": 0, "message": "success", "data": inner}

    reading, bench = read([page(1, rows(0, 20)), page(2, rows(20, 25))])
    assert [key.key.gateway_id for key in reading.keys] == [str(n) for n in range(25)]
    assert reading.complete
    assert [query["page"] for query in bench.queries] == ["1", "2"]


@pytest.mark.parametrize("body", [{"data": rows(0, 150)}, {"success": True, "data": rows(0, 150)}])
def test_a_list_without_pages_is_complete(body: object) -> None:
    reading, _ = read(body)
    assert (len(reading.keys), reading.complete) == (150, True)


@pytest.mark.parametrize(
    "body",
    [
        {"items": rows(0, 3), "total": 4, "page": 1, "page_size": 20, "has_more": False},
        {"items": [*rows(0, 3), "?"]},
        {"items": [*rows(0, 3), {"name": "whose?"}]},
    ],
)
def test_a_list_that_lacks_a_key_is_not_complete(body: object) -> None:
    reading, _ = read(body)
    assert (len(reading.keys), reading.complete) == (3, False)


def test_a_gateway_that_knows_no_pages_is_asked_without() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.query:
            return httpx.Response(400)
        return httpx.Response(200, json={"items": rows(0, 3)})

    assert len(run(Bench(handler).client.keys()).keys) == 3


@pytest.mark.parametrize(
    "body", [{"code": 401, "message": FULL}, {"success": False, "data": FULL}, {"x": FULL}, FULL]
)
def test_what_is_no_list_is_told_without_a_word_of_it(body: object) -> None:
    with pytest.raises(GatewayError) as caught:
        read(body)
    assert FULL not in str(caught.value)


@pytest.mark.parametrize("status", [401, 403, 404, 500, 429])
def test_a_list_that_is_refused_is_not_asked_for_again_at_once(status: int) -> None:
    asked = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(status, json={"error": {"code": "concurrency_limit"}})

    with pytest.raises(GatewayError):
        run(Bench(handler).client.keys())
    assert len(asked) == 1

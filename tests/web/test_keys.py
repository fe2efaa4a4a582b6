"""What the page says of keys."""

from __future__ import annotations

import pytest

from exporter.errors import Outcome
from exporter.gateway.readings import (
    Endpoint,
    KeyLimits,
    KeyRef,
    KeysReading,
    KeyWindow,
    ListedKey,
    WindowReading,
)
from exporter.status import EndpointStatus
from exporter.web.view import View
from tests.clock import NOW
from tests.web.fakes import OWN_KEY, healthy, usd
from tests.web.test_page import Totals, page, problems, titles, words

DAY = 86_400.0


def with_list(used: float, expires: float | None) -> tuple[View, Totals]:
    """An account of which a list has the own key and one more; two others have spent."""
    view, known = healthy("prod")
    account = view.live.accounts["prod"]
    account.endpoints[Endpoint.KEYS] = EndpointStatus(600.0, optional=True)
    windows = (
        WindowReading(KeyWindow.FIVE_HOURS, usd(20), usd(2.5), NOW + 60),
        WindowReading(KeyWindow.LIFETIME, usd(100), usd(used)),
    )
    keys = (
        ListedKey(KeyRef("17", OWN_KEY, "prod-vision"), KeyLimits(windows, expires)),
        ListedKey(KeyRef("18", "sk-byts-…41aa", "batch-nightly")),
    )
    account.listed = KeysReading(NOW - 12, keys)
    return view, known


def test_keys_are_listed_with_cap_windows_and_end() -> None:
    html = page(*with_list(50, NOW + 30 * DAY))
    seen = words(html)
    assert "prod-vision sk-byts-…9f3c $50.00 of $100.00 5h: $2.50 of $20.00" in seen
    assert "(in 30 d)" in seen
    assert "sk-byts-…8d12 in no list unknown unknown" in seen
    assert problems(html) == []


@pytest.mark.parametrize(
    ("used", "expires", "title"),
    [
        (90.01, None, "A key's lifetime cap is nearly reached"),
        (50, NOW + 6.9 * DAY, "A key expires soon"),
    ],
)
def test_a_cap_or_an_end_that_is_near_has_a_banner(
    used: float, expires: float | None, title: str
) -> None:
    assert titles(page(*with_list(used, expires))) == [title]


@pytest.mark.parametrize("expires", [NOW - 1, NOW + 7.1 * DAY, None])
def test_an_end_that_is_past_or_far_has_none(expires: float | None) -> None:
    assert titles(page(*with_list(90, expires))) == []


def test_a_list_that_is_refused_has_no_banner_and_says_so_in_its_row() -> None:
    view, known = healthy("prod")
    status = view.live.accounts["prod"].endpoints[Endpoint.KEYS] = EndpointStatus(600.0, True)
    status.failed(NOW - 5, 0.1, Outcome.AUTH, "GET /api/v1/keys answered 403", False)
    html = page(view, known)
    assert problems(html) == []
    assert "not given" in words(html)

"""What the page says of the applications' traffic."""

from __future__ import annotations

from exporter.gateway.readings import Envelope, Observation, Source
from exporter.traffic import MAX_KEYS
from exporter.web.traffic import SHOWN
from tests.web.fakes import NOW, OWN_KEY, healthy
from tests.web.test_page import page, words


def test_without_a_tap_nothing_is_said_of_traffic() -> None:
    assert "Traffic of applications" not in words(page(*healthy("prod")))


def test_each_key_shows_when_and_by_whom_it_was_seen_and_how_often_it_was_refused() -> None:
    view, totals = healthy("prod")
    traffic = view.live.accounts["prod"].traffic
    for status in (200, 200, 500, 429):
        traffic.count(Observation(Source.PROXY, status, Envelope(NOW - 3, OWN_KEY), "sonnet"), NOW)
    traffic.count(Observation(Source.HOOK, 200, Envelope(NOW - 40, OWN_KEY)), NOW)
    seen = words(page(view, totals))
    assert f"{OWN_KEY} 3 s ago (proxy), 40 s ago (hook) 5 1" in seen


def test_of_many_keys_those_seen_last_are_shown() -> None:
    view, totals = healthy("prod")
    traffic = view.live.accounts["prod"].traffic
    for number in range(MAX_KEYS):
        at = NOW - MAX_KEYS + number
        envelope = Envelope(at, f"sk-byts-…{number:04}")
        traffic.count(Observation(Source.LOG, 200, envelope), NOW)
    detail = page(view, totals).detail
    assert detail is not None
    rows = detail.traffic
    assert len(rows) == SHOWN
    assert rows[0].key_id == f"sk-byts-…{MAX_KEYS - 1:04}"

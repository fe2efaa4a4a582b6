"""The status page in a real browser: nothing overflows, nothing is refused, nothing runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import msgspec
import pytest

from exporter.config.types import Listen
from exporter.errors import Outcome
from exporter.gateway.readings import ModelQuota, Organization
from exporter.ledger.totals import AccountTotals
from exporter.status import ExportOutcome
from exporter.web.server import WebServer
from exporter.web.view import View
from scripts.browser import Browser, find_chromium
from tests.clock import NOW
from tests.peers.missing import missing
from tests.web.fakes import (
    INSTANCE,
    config,
    empty_board,
    envelope,
    fail,
    healthy,
    reading,
    series,
    usd,
)
from tests.web.serving import known, serving

Scene = tuple[View, Mapping[str, AccountTotals]]

HOSTILE = "\u202e\"><script>document.title='taken over'</script>" + "W" * 300

MEASURE = """(() => {
  const wide = [...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth);
  const page = document.documentElement;
  return [page.scrollWidth - page.clientWidth, wide.length];
})()"""
"""How many pixels the page is too wide, and how many tables have to be scrolled sideways."""

CONTRAST = """(() => {
  const parse = c => c.match(/[\\d.]+/g).map(Number);
  const light = c => { const [r, g, b] = parse(c).slice(0, 3).map(v => { v /= 255;
    return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = e => { for (; e; e = e.parentElement) {
    const c = getComputedStyle(e).backgroundColor;
    const [,,, a = 1] = parse(c); if (a > 0) return c; } return 'rgb(255,255,255)'; };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; node = walker.nextNode();) {
    if (!node.data.trim()) continue;
    const e = node.parentElement;
    const [a, b] = [light(getComputedStyle(e).color), light(ground(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(node.data.trim() + ' ' + ratio.toFixed(2));
  }
  return poor;
})()"""
"""Texts whose contrast with their ground is below 4.5, which WCAG AA asks of small text."""


def well() -> Scene:
    return healthy("prod")


def started() -> Scene:
    return View(empty_board("prod"), config("prod"), INSTANCE), {}


def broken() -> Scene:
    view, totals = healthy("prod")
    account = view.live.accounts["prod"]
    account.account = reading(3.2, observed_at=NOW - 700)
    for status in account.endpoints.values():
        status.last_success = NOW - 700
    fail(view, "prod", Outcome.AUTH, "401: the gateway refuses the key")
    view.live.exports.ended(NOW - 15, ExportOutcome.FAILURE, "connection refused")
    view.live.state_writable, view.live.state_error = False, "no space left on device"
    return view, totals


def many() -> Scene:
    view, totals = healthy(*(f"team-{number:03d}" for number in range(120)))
    fail(view, "team-007", Outcome.TIMEOUT, "no answer within 10 s")
    view.live.accounts["team-003"].account = reading(-123_456.78)
    return view, totals


def hostile() -> Scene:
    view, totals = healthy(HOSTILE)
    account = view.live.accounts[HOSTILE]
    account.account = reading(
        999_999_999.99,
        tier=HOSTILE,
        models=(ModelQuota(HOSTILE, usd(3), usd(4)), ModelQuota("日本語" * 60, usd(3), None)),
        organization=Organization("1", HOSTILE, HOSTILE),
    )
    account.observe(envelope(HOSTILE))
    usage = (series(1, HOSTILE, HOSTILE, HOSTILE, 98_765_432.1), series(2, "Z̸" * 200, "k", "m", 1))
    fail(view, HOSTILE, Outcome.SERVER_ERROR, HOSTILE)
    return view, {HOSTILE: msgspec.structs.replace(totals[HOSTILE], usage=usage)}


SCENES = (well, started, broken, many, hostile)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = find_chromium() or missing("Chromium", "run scripts/install-programs as root")
    with Browser(chromium) as browser:
        yield browser


@contextmanager
def served(scene: Scene) -> Iterator[str]:
    """The URL of a server in a thread of its own, as the browser is driven by blocking calls."""
    view, totals = scene
    ready, done = threading.Event(), threading.Event()
    addresses: list[str] = []

    async def serve() -> None:
        server = WebServer(Listen("127.0.0.1", 0), serving(view, known(totals)))
        await server.start()
        addresses.append(server.address)
        ready.set()
        await asyncio.to_thread(done.wait)
        await server.stop()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield f"http://{addresses[0]}/"
    finally:
        done.set()
        thread.join(10)


@pytest.mark.parametrize("width", [320, 375, 768, 1120])
@pytest.mark.parametrize("scene", SCENES)
def test_the_page_fits_its_window_and_nothing_of_it_is_refused(
    browser: Browser, scene: Callable[[], Scene], width: int
) -> None:
    with served(scene()) as url:
        browser.open(url, width, 800)
        assert browser.evaluate(MEASURE)[0] <= 0
        assert browser.console == []
        assert "ByteSpike exporter" in browser.evaluate("document.title")


@pytest.mark.parametrize("scene", [well, broken, many])
def test_no_table_has_to_be_scrolled_sideways_on_a_phone(
    browser: Browser, scene: Callable[[], Scene]
) -> None:
    with served(scene()) as url:
        browser.open(url, 375, 800)
        assert browser.evaluate(MEASURE)[1] == 0


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("scene", SCENES)
def test_every_text_can_be_read_in_light_and_dark(
    browser: Browser, scene: Callable[[], Scene], dark: bool
) -> None:
    with served(scene()) as url:
        browser.open(url, 1120, 800, dark)
        assert browser.evaluate(CONTRAST) == []


def test_a_screen_reader_finds_headings_meters_and_named_columns(browser: Browser) -> None:
    with served(well()) as url:
        browser.open(url, 1120, 800)
        assert browser.evaluate("document.documentElement.lang") == "en"
        unnamed = "[...document.querySelectorAll('[role=meter]')].filter(e => !e.ariaLabel).length"
        assert browser.evaluate(unnamed) == 0
        rows = "document.querySelectorAll('tbody tr').length"
        assert browser.evaluate(f"document.querySelectorAll('th[scope=row]').length === {rows}")

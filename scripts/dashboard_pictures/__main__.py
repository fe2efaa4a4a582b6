"""Writes `docs/images/dashboard-*.png`: `python -m scripts.dashboard_pictures [--out FOLDER]`.

Takes minutes: five days of three accounts pass, with their polls, into a VictoriaMetrics.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
import tempfile
import time
from pathlib import Path

from bytespike_simulator.faults import Fault
from bytespike_simulator.options import Options
from exporter.gateway.readings import Source as Seer
from exporter.traffic import DeliveryOutcome
from scripts.browser import Browser, BrowserError, find_chromium
from scripts.dashboard_pictures.calls import Calls
from scripts.dashboard_pictures.grafana import Source, View, seconds
from scripts.dashboard_pictures.page import WIDTH, page_html
from scripts.dashboard_pictures.replay import HOUR, MINUTE, Receivers, Replay, Wallet, replay
from tests.peers.victoria_metrics import VictoriaMetrics

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"overview": ".*", "account": "prod", "exporter": ".*"}
"""The dashboards, and the account that is chosen on each."""

DAYS = 4 * 24 * HOUR
"""Seconds before the last day that are polled once an hour, for spend by day."""


def _wallets() -> tuple[Wallet, ...]:
    rates = (("prod", 12.0, 10.0, 4), ("batch", 6.0, 20.0, 3), ("dev", 2.0, 5.0, 2))
    return tuple(
        Wallet(
            name,
            Options(
                seed=place,
                keys=keys,
                rate=rate,
                threshold_usd=threshold,
                history=12 * HOUR,
                rpm_limit=0,
                org_wallet_usd=2500.0,
            ),
        )
        for place, (name, rate, threshold, keys) in enumerate(rates, 1)
    )


def _trouble(world: Replay, left: float) -> None:
    """Twenty-four minutes of a sick gateway, two hours before the end, and a slow one."""
    if round(left) == 2 * HOUR:
        world.gateways["batch"].faults.add(Fault("status", "usage"))
    if round(left) == 1.6 * HOUR:
        world.gateways["batch"].faults.clear()
    if round(left) == HOUR:
        world.gateways["dev"].faults.add(Fault("delay", "account", times=10, seconds=0.4))


def _calls(world: Replay, calls: Calls, now: float, left: float) -> None:
    """What the tap sees: batch works through the proxy by the hour, dev rests for a while."""
    prod, batch = (world.gateways[name].api_key for name in ("prod", "batch"))
    wave = 1 + math.sin(now / HOUR)
    calls.happen(prod, round(200 + 60 * wave), Seer.HOOK)
    works = round(now / HOUR) % 3 or left < 20 * MINUTE
    calls.happen(batch, round(90 * wave) + 20 if works else 0, Seer.PROXY)
    if not HOUR < left < 3 * HOUR:
        calls.happen(world.gateways["dev"].api_key, 30, Seer.LOG)
    calls.happen("sk-byts-an-application-7c1e", round(25 * wave), Seer.HOOK, refused=402)
    if round(left) == HOUR:
        calls.fail()
    if round(left) in (2 * HOUR, 20 * MINUTE):
        calls.push(DeliveryOutcome.ACCEPTED)
        calls.push(DeliveryOutcome.DUPLICATE)


async def fill(folder: Path, url: str, until: float) -> None:
    """Let everything happen up to `until` (Unix s), into the receiver at `url`."""
    began = until - DAYS - 24 * HOUR
    watchers = [("one", ("prod", "batch", "dev"))]
    async with replay(folder, began, _wallets(), watchers, Receivers(otlp=url)) as world:
        # Steps that are longer than a query's window leave the first column of a range a guess.
        await world.run(until - 26 * HOUR, HOUR)
        calls = world.exporters["one"].tap("prod")

        def happen(now: float) -> None:
            _trouble(world, until - now)
            _calls(world, calls, now, until - now)

        await world.run(until, 4 * MINUTE, happen)


def paint(url: str, until: float, out: Path, browser: Browser, folder: Path) -> None:
    """Write every picture. Raises BrowserError, OSError, ValueError."""
    for name, account in PAGES.items():
        text = (ROOT / "deploy" / "dashboards" / f"bytespike-{name}.json").read_text("utf-8")
        dashboard = json.loads(text)
        range_ = seconds(dashboard["time"]["from"].removeprefix("now-"))
        with Source(url) as source:
            html, height = page_html(source, dashboard, View(until - range_, until, account))
        page = folder / f"{name}.html"
        page.write_text(html, encoding="utf-8")
        browser.open(page.as_uri(), WIDTH, height)
        browser.command(  # one pixel for each of CSS: a picture of this length is large enough
            "Emulation.setDeviceMetricsOverride",
            width=WIDTH,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        (out / f"dashboard-{name}.png").write_bytes(browser.screenshot(whole=True))
        print(f"wrote {out / f'dashboard-{name}.png'}")


def main(arguments: list[str]) -> int:
    """Run the command line; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.dashboard_pictures")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    out = parser.parse_args(arguments).out
    chromium = find_chromium()
    if chromium is None:
        print("dashboard_pictures: Chromium is not installed", file=sys.stderr)
        return 1
    until = time.time() // MINUTE * MINUTE
    with tempfile.TemporaryDirectory(prefix="dashboards-") as name:
        folder = Path(name)
        try:
            with VictoriaMetrics(folder / "store") as store, Browser(chromium) as browser:
                asyncio.run(fill(folder, store.url, until))
                store.flush()
                paint(store.url, until, out, browser, folder)
        except BrowserError as error:
            print(f"dashboard_pictures: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

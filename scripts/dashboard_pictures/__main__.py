"""Writes `docs/images/dashboard-*.png`: `python -m scripts.dashboard_pictures [--out FOLDER]`.

Takes minutes: five days of three accounts pass, with their polls, into a VictoriaMetrics.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bytespike_simulator.faults import Fault
from bytespike_simulator.options import Options
from exporter.gateway.readings import Source as Seer
from exporter.traffic import DeliveryOutcome, TapOutcome
from scripts.browser import Browser, BrowserError, find_chromium
from tests.deploy.grafana import Json, Source, View, seconds
from tests.deploy.replay import HOUR, MINUTE, Receivers, Replay, replay
from tests.peers.victoria_metrics import VictoriaMetrics

ROOT = Path(__file__).resolve().parents[2]
GRAFANA = ROOT / ".cache" / "grafana" / "draw"
PAGES = {"overview": ".*", "account": "prod", "exporter": ".*"}
"""The dashboards, and the account that is chosen on each."""

DAYS = 4 * 24 * HOUR
"""Seconds before the last day that are polled once an hour, for spend by day."""

WIDTH = 1280


def _accounts() -> dict[str, Options]:
    rates = (("prod", 12.0, 10.0, 4), ("batch", 6.0, 20.0, 3), ("dev", 2.0, 5.0, 2))
    return {
        name: Options(
            seed=place,
            keys=keys,
            rate=rate,
            threshold_usd=threshold,
            history=12 * HOUR,
            rpm_limit=0,
            org_wallet_usd=2500.0,
        )
        for place, (name, rate, threshold, keys) in enumerate(rates, 1)
    }


def _happen(world: Replay, now: float, left: float) -> None:
    """A sick gateway two hours before the end, a slow one, and what the tap sees."""
    batch, dev, prod = (world.gateways[name] for name in ("batch", "dev", "prod"))
    if round(left) == 2 * HOUR:
        batch.faults.add(Fault("status", "usage"))
    if round(left) == 1.6 * HOUR:
        batch.faults.clear()
    exporter = world.exporters["one"]
    wave = 1 + math.sin(now / HOUR)
    exporter.calls(prod.api_key, round(200 + 60 * wave), Seer.HOOK)
    exporter.calls("sk-byts-an-application-7c1e", round(25 * wave), Seer.HOOK, refused=402)
    if round(now / HOUR) % 3 or left < 20 * MINUTE:
        exporter.calls(batch.api_key, round(90 * wave) + 20, Seer.LOG)
    if not HOUR < left < 3 * HOUR:
        exporter.calls(dev.api_key, 30, Seer.LOG)
    if round(left) == HOUR:
        dev.faults.add(Fault("delay", "account", times=10, seconds=0.4))
        exporter.tap.observed(None, TapOutcome.MALFORMED, 3)
        exporter.tap.deliveries[DeliveryOutcome.ACCEPTED] += 2


async def fill(folder: Path, url: str, until: float) -> None:
    """Let everything happen up to `until` (Unix s), into the receiver at `url`."""
    began = until - DAYS - 24 * HOUR
    accounts = _accounts()
    watchers = {"one": tuple(accounts)}
    async with replay(folder, began, accounts, watchers, Receivers(url)) as world:
        for source in world.gateways.values():  # caps for the half day before would not last
            for key in source.world.keys:
                key.quota = key.quota and key.quota * 8
            for model in source.world.models:
                model.cap = model.cap and model.cap * 8
        # Steps that are longer than a query's window leave the first column of a range a guess.
        await world.run(until - 26 * HOUR, HOUR)
        await world.run(until, 4 * MINUTE, lambda now: _happen(world, now, until - now))


def page(dashboard: Json, source: Source, view: View) -> str:
    """A page that draws the dashboard by itself. Raises OSError, ValueError."""
    shown = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    answers = {panel["id"]: source.answers(panel, view) for panel in shown}
    picture = view._asdict() | {"dashboard": dashboard, "answers": answers}
    style, script = ((GRAFANA / f"draw.{kind}").read_text("utf-8") for kind in ("css", "js"))
    return (
        f'<!doctype html><meta charset="utf-8"><style>{style}</style><div id="root"></div>'
        f"<script>window.picture = {json.dumps(picture)}</script>"
        f'<script type="module">{script}</script>'
    )


def paint(url: str, until: float, out: Path, browser: Browser, folder: Path) -> None:
    """Write every picture. Raises BrowserError, OSError, ValueError."""
    for name, account in PAGES.items():
        text = (ROOT / "deploy" / "dashboards" / f"bytespike-{name}.json").read_text("utf-8")
        dashboard = json.loads(text)
        range_ = seconds(dashboard["time"]["from"].removeprefix("now-"))
        html = folder / f"{name}.html"
        with Source(url) as source:
            html.write_text(page(dashboard, source, View(until - range_, until, account)), "utf-8")
        lines = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"])
        size = {"width": WIDTH, "height": 38 * lines + 16}
        browser.open(html.as_uri(), **size)
        # One pixel for each of CSS: a picture of this length is large enough.
        browser.command(
            "Emulation.setDeviceMetricsOverride", **size, deviceScaleFactor=1, mobile=False
        )
        browser.command("Page.reload")
        time.sleep(5)  # what is drawn on canvases comes after the page
        (out / f"dashboard-{name}.png").write_bytes(browser.screenshot())
        print(f"wrote {out / f'dashboard-{name}.png'}")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.dashboard_pictures")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    out = parser.parse_args(arguments).out
    chromium = find_chromium()
    if chromium is None:
        print("dashboard_pictures: Chromium is not installed", file=sys.stderr)
        return 1
    out.mkdir(parents=True, exist_ok=True)  # not only after minutes
    until = time.time() // MINUTE * MINUTE
    with tempfile.TemporaryDirectory(prefix="dashboards-") as name:
        folder = Path(name)
        try:
            subprocess.run([Path(__file__).with_name("set-up"), "draw"], check=True)
            with VictoriaMetrics(folder / "store") as store, Browser(chromium) as browser:
                asyncio.run(fill(folder, store.url, until))
                store.flush()
                paint(store.url, until, out, browser, folder)
        except (BrowserError, subprocess.CalledProcessError) as error:
            print(f"dashboard_pictures: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

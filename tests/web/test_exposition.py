"""`/metrics` is rendered once for all who ask within a second, and holds up nobody."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import Mapping

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter.ledger.totals import AccountTotals
from exporter.metrics import prometheus, snapshot
from exporter.web import app as exposition
from exporter.web.view import View
from tests.web.fakes import healthy
from tests.web.serving import known, running, serving

pytestmark = pytest.mark.anyio

OPENMETRICS = {"accept": "application/openmetrics-text"}


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each rendering was OpenMetrics."""
    made: list[bool] = []
    render = prometheus.render

    def counting(taken: snapshot.Snapshot, openmetrics: bool, process: bool = False) -> bytes:
        made.append(openmetrics)
        return render(taken, openmetrics, process)

    monkeypatch.setattr(prometheus, "render", counting)
    return made


def asking(
    view: View | None = None, totals: Mapping[str, AccountTotals] | None = None
) -> httpx.AsyncClient:
    usual, counted = healthy("prod")
    app = serving(view or usual, known(totals or counted))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")


async def test_six_scrapes_at_once_and_one_right_after_cost_one_rendering(
    rendered: list[bool],
) -> None:
    async with asking() as client:
        answers = await asyncio.gather(*(client.get("/metrics") for _ in range(6)))
        answers.append(await client.get("/metrics"))
    assert len({answer.text for answer in answers}) == len(rendered) == 1


async def test_each_format_is_rendered_for_itself(rendered: list[bool]) -> None:
    async with asking() as client:
        plain = await client.get("/metrics")
        other = await client.get("/metrics", headers=OPENMETRICS)
    assert rendered == [False, True]
    assert plain.headers["content-type"] == prometheus.TEXT
    assert other.headers["content-type"] == prometheus.OPENMETRICS
    assert other.text.endswith("# EOF\n")
    assert other.headers["vary"] == "Accept, Accept-Encoding"


async def test_a_scrape_a_second_later_sees_what_has_changed(
    rendered: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exposition, "SHARED_SECONDS", 0.0)
    view, totals = healthy("prod")
    async with asking(view, totals) as client:
        assert "bytespike_wallet_balance_USD" in (await client.get("/metrics")).text
        view.live.accounts.clear()
        await asyncio.sleep(0.01)
        assert "bytespike_wallet_balance_USD" not in (await client.get("/metrics")).text
    assert len(rendered) == 2


async def test_one_who_hangs_up_takes_nothing_from_the_others(rendered: list[bool]) -> None:
    async with asking() as client:
        first = asyncio.create_task(client.get("/metrics"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()
        assert (await client.get("/metrics")).status_code == 200
    assert len(rendered) == 1


async def test_it_is_compressed_for_those_who_take_it() -> None:
    async with running() as server, httpx.AsyncClient(trust_env=False) as client:
        url = f"http://{server.address}/metrics"
        async with client.stream("GET", url, headers={"accept-encoding": "gzip"}) as answer:
            packed = b"".join([piece async for piece in answer.aiter_raw()])
        plain = await client.get(url, headers={"accept-encoding": "identity"})
    assert answer.headers["content-encoding"] == "gzip"
    assert len(packed) < len(plain.content) / 4
    families = text_string_to_metric_families(gzip.decompress(packed).decode())
    assert "bytespike_wallet_balance_USD" in {family.name for family in families}


async def test_the_loop_goes_on_while_it_is_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(prometheus, "render", lambda *_, **__: go_on.wait(10) and b"done")
    async with asking() as client:
        slow = asyncio.create_task(client.get("/metrics"))
        for _ in range(20):
            assert (await client.get("/livez")).status_code == 200
        assert not slow.done()
        go_on.set()
        assert (await slow).text == "done"

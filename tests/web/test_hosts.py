"""Who may read the page: a browser that was told another name for this machine may not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from exporter.config.types import Http, Listen, Webhook
from exporter.web.app import App
from exporter.web.hosts import allowed
from tests.clock import VirtualClock
from tests.web.fakes import configured, healthy
from tests.web.serving import known, serving

NAMED = Http(Listen("Exporter.internal", 9464), ("metrics.example.com", "Prom"))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.0.0.1:9464", "10.1.2.3:80", "[::1]", "[::1]:9464", "[fd00::5]:9464",
        "localhost", "LOCALHOST:9464", "localhost.", "page.localhost:1", "exporter.internal",
        "exporter.internal.:9464", "metrics.example.com:443", "METRICS.example.COM", "prom:9464",
    ],
)  # fmt: skip
def test_its_own_names_and_every_address_pass(host: str) -> None:
    assert allowed(host, NAMED)


@pytest.mark.parametrize(
    "host",
    [
        "attacker.example", "attacker.example:9464", "localhost.attacker.example", "notlocalhost",
        "metrics.example.com.attacker.example", "127.0.0.1.attacker.example", "127.1", "0x7f.1",
        "2130706433", "[attacker.example]", "[::1].attacker.example", "[::1", "::1]", "a:b",
        "localhost:80:80", "localhost@attacker.example", "user@127.0.0.1", "", ":9464", ".",
        "metrics.example.com..", "localhost/", "prom,attacker.example", "127.0.0.1 attacker",
    ],
)  # fmt: skip
def test_every_other_name_is_foreign(host: str) -> None:
    assert not allowed(host, NAMED)


@given(st.text(max_size=40))
def test_whatever_stands_there_is_judged_and_never_a_defect(host: str) -> None:
    assert allowed(host, NAMED) in {True, False}


def client(host: str) -> TestClient:
    view, totals = healthy("prod")
    app = serving(configured(view, webhook=Webhook("/in", None)), known(totals))
    return TestClient(app, base_url=f"http://{host}")


def test_a_rebound_name_reads_neither_page_nor_metrics_and_is_told_what_to_do() -> None:
    with client("attacker.example:9464") as rebound:
        for path in ("/", "/?account=prod", "/metrics"):
            answer = rebound.get(path)
            assert answer.status_code == 421
            assert "set http.allow_hosts" in answer.text
            assert "31.4" not in answer.text
            assert "attacker" not in answer.text


def test_health_and_webhook_ask_nobody_for_a_name() -> None:
    with client("attacker.example") as rebound:
        assert rebound.get("/livez").status_code == 200
        assert rebound.get("/readyz").status_code == 200
        assert rebound.post("/in").status_code == 404


def test_a_reload_changes_the_names_that_are_known() -> None:
    view, totals = healthy("prod")
    views = [view]
    app = App(lambda: views[-1], known(totals), VirtualClock())
    with TestClient(app, base_url="http://page.example") as asked:
        assert asked.get("/").status_code == 421
        views.append(configured(view, http=Http(allow_hosts=("page.example",))))
        assert asked.get("/").status_code == 200

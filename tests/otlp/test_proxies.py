"""Which proxy an export goes through."""

from __future__ import annotations

import os

import pytest

from exporter.config import types as config
from exporter.otlp import OtlpExporter
from exporter.otlp.http import proxy_for
from exporter.status import ExportOutcome
from tests.otlp import samples
from tests.otlp.receivers import HttpReceiver
from tests.peers.process import free_port

PROXY = "http://proxy.test:3128"


@pytest.fixture(autouse=True)
def nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({}, None),
        ({"HTTP_PROXY": PROXY}, PROXY),
        ({"http_proxy": "proxy.test:3128"}, PROXY),
        ({"ALL_PROXY": PROXY}, PROXY),
        ({"HTTPS_PROXY": PROXY}, None),
    ],
)
def test_the_proxy_is_that_of_the_scheme_or_of_all(
    variables: dict[str, str], found: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert proxy_for("http://10.1.2.3:4318/v1/metrics") == found


@pytest.mark.parametrize(
    ("host", "unproxied", "direct"),
    [
        ("10.1.2.3:4318", "10.0.0.0/8", True),
        ("10.1.2.3:4318", "elsewhere, 10.1.2.3", True),
        ("11.1.2.3:4318", "10.0.0.0/8, fd00::/8, collector", False),
        ("[fd00::7]:4318", "fd00::/8", True),
        ("collector.monitoring.svc:4318", ".svc", True),
        ("user:word@collector:4318", "collector:4318", True),
        ("collector:4318", "collector:4317", False),
        ("collector", "*", True),
    ],
)
def test_names_and_networks_go_unproxied(
    host: str, unproxied: str, direct: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", unproxied)
    assert proxy_for(f"http://{host}/v1/metrics") == (None if direct else PROXY)


@pytest.mark.anyio
async def test_an_export_goes_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with HttpReceiver() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.removesuffix("/v1/metrics"))
        otlp = config.Otlp(endpoint="http://collector.test:4318/v1/metrics", timeout=5.0)
        sender = OtlpExporter(otlp, samples.RESOURCE)
        result = await sender.export(samples.snapshot())
        await sender.close()
    assert result.outcome is ExportOutcome.SUCCESS
    assert len(proxy.received) == 1


@pytest.mark.anyio
async def test_a_proxy_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret@127.0.0.1:{free_port()}")
    otlp = config.Otlp(endpoint="https://collector.test/v1/metrics", timeout=5.0)
    sender = OtlpExporter(otlp, samples.RESOURCE)
    error = str((await sender.export(samples.snapshot())).error)
    await sender.close()
    assert "through the proxy: connection refused" in error
    assert "secret" not in error

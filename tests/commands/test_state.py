"""`state new-identity`: a clone or an older state file goes on as somebody else."""

from __future__ import annotations

import re
from pathlib import Path

import httpx

from tests.commands.programs import Exporter, configured, finished
from tests.e2e.gateway import Gateway
from tests.peers.process import until

NEW_IDENTITY = ("state", "new-identity", "--config")


def shown(exporter: Exporter) -> str:
    return httpx.get(f"{exporter.url}/metrics", trust_env=False).text


def instance(exporter: Exporter) -> str:
    page = httpx.get(exporter.url, trust_env=False).text
    [found] = set(re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", page))
    return str(found)


def test_every_account_begins_anew_under_a_new_id(tmp_path: Path, gateway: Gateway) -> None:
    usage = {"start": "-10m"}
    config = configured(tmp_path, gateway.url, gateway.key, usage=usage)
    with Exporter(config) as exporter:
        until(lambda: "bytespike_usage_requests_total" in shown(exporter), "usage")
        old = instance(exporter)
        busy = finished(*NEW_IDENTITY, config, folder=tmp_path)
        assert busy.returncode == 1
        assert "is held by another process" in busy.stderr
        assert exporter.end()[0] == 0

    ended = finished(*NEW_IDENTITY, config, folder=tmp_path)
    assert ended.returncode == 0
    assert ended.stderr == ""
    assert f"(before: {old})" in ended.stdout
    assert "1 account will be counted anew from the next start on" in ended.stdout

    with Exporter(config) as exporter:
        until(lambda: "bytespike_usage_requests_total" in shown(exporter), "usage")
        assert instance(exporter) in ended.stdout
        assert instance(exporter) != old
        assert "counting starts from now" in exporter.output()
        numbers = re.findall(r"^bytespike_usage_requests_total.* (\S+)$", shown(exporter), re.M)
        assert sum(map(float, numbers)) < 300, "10 calls a second, and 10 minutes are 6,000"


def test_without_a_state_file_there_is_nothing_to_begin(tmp_path: Path) -> None:
    config = configured(tmp_path, "http://127.0.0.1:9")
    ended = finished(*NEW_IDENTITY, config, folder=tmp_path)
    assert ended.returncode == 1
    assert "state.db does not exist: the first run makes it" in ended.stderr
    assert not (tmp_path / "state.db").exists()

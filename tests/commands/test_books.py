"""`reconcile` and `transactions`, while the exporter runs."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.commands.programs import Exporter, configured, finished
from tests.e2e.gateway import Gateway
from tests.peers.process import until

MONTH = time.strftime("%Y-%m", time.gmtime())


class Scene:
    """A gateway that lives, an exporter that counts it, and one request that it has counted."""

    def __init__(self, folder: Path, gateway: Gateway, exporter: Exporter, config: Path) -> None:
        self.folder, self.gateway, self.exporter, self.config = folder, gateway, exporter, config
        self.counted = gateway.bill(3)[0]
        until(lambda: self.requests >= 3, "three calls")

    @property
    def requests(self) -> float:
        text = httpx.get(f"{self.exporter.url}/metrics", trust_env=False).text
        lines = [line for line in text.splitlines() if "usage_requests_total{" in line]
        return sum(float(line.split()[-1]) for line in lines)

    def run(self, *words: str) -> tuple[int, str]:
        ended = finished(*words, "--config", self.config, folder=self.folder)
        assert self.gateway.key not in ended.stdout + ended.stderr
        assert not ended.stderr, ended.stderr
        return ended.returncode, ended.stdout


@pytest.fixture(scope="module", params=["log", "rollup"])
def scene(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("books")
    (folder / "gateway").mkdir()
    with Gateway(folder / "gateway", usage=request.param, log_beside=True) as gateway:
        config = configured(folder, gateway.url, gateway.key)
        with Exporter(config) as exporter:
            until(lambda: "_up" in httpx.get(f"{exporter.url}/metrics").text, "a poll")
            time.sleep(1.0)
            yield Scene(folder, gateway, exporter, config)


def test_a_request_that_was_counted_is_shown_with_its_cell(scene: Scene) -> None:
    code, said = scene.run("reconcile", "--request-id", scene.counted, "--format", "json")
    [found] = json.loads(said)["requests"]
    assert code == 0, said
    assert found["verdict"].startswith("counted")
    assert found["cell_cost_usd"] >= found["cost_usd"] > 0


def test_a_request_that_nobody_knows_is_an_error(scene: Scene) -> None:
    code, said = scene.run("reconcile", "--request-id", "req_unknown")
    assert code == 1
    assert "knows no such request" in said


def test_the_movements_of_a_month_come_with_their_sum(scene: Scene) -> None:
    scene.gateway.post("topup", usd=25)
    code, said = scene.run("transactions", "--month", MONTH, "--kind", "topup")
    assert code == 0
    assert "25.00" in said
    assert "USD by 1 good movement" in said
    _, said = scene.run("transactions", "--month", MONTH, "--format", "csv")
    *rows, last = csv.DictReader(io.StringIO(said))
    assert last["status"] == "sum"
    assert float(last["amount_usd"]) == sum(float(row["amount_usd"]) for row in rows)


def test_a_month_in_which_nothing_parts_is_fine(scene: Scene) -> None:
    code, said = scene.run("reconcile", "--month", MONTH, "--format", "json")
    assert code == 0, said
    books = json.loads(said)
    assert books["findings"] == []
    [sums] = books["accounts"]
    assert sums["usage_usd"] == pytest.approx(sums["counted_usd"])


def test_a_month_that_is_none_is_an_unusable_command_line(scene: Scene) -> None:
    ended = finished("reconcile", "--month", "2026-13", folder=scene.folder)
    assert ended.returncode == 2
    ended = finished("transactions", "--month", "november", folder=scene.folder)
    assert ended.returncode == 2
    assert "write it as 2026-11" in ended.stderr

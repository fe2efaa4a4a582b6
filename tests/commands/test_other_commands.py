"""`demo`, `metrics`, `simulate`, and readers that go away."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from exporter.metrics.catalogue import CATALOGUE
from tests.commands.programs import finished, program
from tests.otlp.receivers import HttpReceiver, black_hole
from tests.peers.process import Peer, until


class Demo(Peer):
    """`demo` as a process."""

    url: str

    def __init__(self, folder: Path, *words: str, **variables: str) -> None:
        super().__init__(folder)
        self._words = words
        self._variables = variables

    def command(self) -> Sequence[str | Path]:
        return program("demo", *self._words, variables=self._variables)

    def started(self) -> None:
        self.url = self.logged(r"status page +(http://[^/\s]+)/")

    def end(self) -> int:
        """Ctrl-C."""
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(10)


def test_the_demo_prints_where_to_look_and_shows_money(tmp_path: Path) -> None:
    proxies = {"HTTP_PROXY": "http://127.0.0.1:9", "all_proxy": "socks5://x:9", "NO_PROXY": "[::1]"}
    with Demo(tmp_path, "--listen", "127.0.0.1:0", **proxies) as demo:

        def shown() -> bool:
            return "Spend" in httpx.get(f"{demo.url}/", trust_env=False).text

        until(lambda: "Nothing is kept." in demo.output(), "the introduction")
        assert f"{demo.url}/metrics" in demo.output()
        until(shown, "spend on the page")
        metrics = httpx.get(f"{demo.url}/metrics", trust_env=False).text
        assert "bytespike_wallet_balance_USD" in metrics
        assert "bytespike_wallet_runway_seconds" in metrics
        page = httpx.get(f"{demo.url}/", trust_env=False).text
        assert "turned off" in page
        assert demo.end() == 0
        assert "warning" not in demo.output()
        assert "Traceback" not in demo.output()


def test_the_call_that_the_demo_proposes_shows_on_its_page(tmp_path: Path) -> None:
    with Demo(tmp_path, "--listen", "127.0.0.1:0") as demo:
        until(lambda: "Nothing is kept." in demo.output(), "the introduction")
        proposed = re.search(r"^  (printf .+)$", demo.output(), re.MULTILINE)
        assert proposed is not None
        subprocess.run(["bash", "-c", proposed[1]], check=True)
        until(
            lambda: "Traffic of applications" in httpx.get(f"{demo.url}/", trust_env=False).text,
            "the call on the page",
        )


def test_the_demo_can_export_and_finds_another_port(tmp_path: Path) -> None:
    with HttpReceiver() as receiver:
        base = receiver.url.removesuffix("/v1/metrics")
        with Demo(tmp_path / "1", "--otlp", base) as first, Demo(tmp_path / "2") as second:
            assert first.url != second.url
            until(lambda: receiver.received, "an export")
            assert receiver.received[0].path == "/v1/metrics"


@pytest.mark.parametrize(
    "words", [["--listen", "nonsense"], ["--listen", ""], ["--otlp", "localhost:4318"]]
)
def test_a_demo_that_cannot_be_had_is_an_unusable_command_line(
    tmp_path: Path, words: list[str]
) -> None:
    ended = finished("demo", *words, folder=tmp_path)
    assert ended.returncode == 2
    assert f"argument {words[0]}" in ended.stderr


def test_a_busy_port_that_was_asked_for_ends_the_demo(tmp_path: Path) -> None:
    with black_hole() as port:
        ended = finished("demo", "--listen", f"127.0.0.1:{port}", folder=tmp_path)
    assert ended.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in ended.stderr


def test_the_metric_reference_is_the_catalogue(tmp_path: Path) -> None:
    markdown = finished("metrics", folder=tmp_path)
    assert markdown.returncode == 0
    assert all(metric.name in markdown.stdout for metric in CATALOGUE)
    as_json = finished("metrics", "--format", "json", folder=tmp_path)
    assert json.loads(as_json.stdout)


def test_simulate_prints_what_to_type(tmp_path: Path) -> None:
    process = subprocess.Popen(
        program("simulate", "--listen", "127.0.0.1:0"),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        assert re.match(r"simulated gateway: http://127\.0\.0\.1:\d+", process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


@pytest.mark.parametrize("words", [[], ["nonsense"], ["run", "--nonsense"], ["metrics", "x"]])
def test_an_unusable_command_line_exits_with_2(tmp_path: Path, words: list[str]) -> None:
    ended = finished(*words, folder=tmp_path)
    assert ended.returncode == 2
    assert "usage: bytespike-exporter" in ended.stderr


def test_the_version_is_printed(tmp_path: Path) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", finished("--version", folder=tmp_path).stdout)


def shell(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, capture_output=True, text=True, check=False
    )


def test_a_reader_that_goes_away_is_no_reason_for_a_traceback(tmp_path: Path) -> None:
    for words in ("metrics", "metrics --format json", "check"):
        line = " ".join(program(*words.split()))
        ended = shell(tmp_path, f"{line} | true")
        assert "Traceback" not in ended.stderr
        assert "BrokenPipeError" not in ended.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "> /dev/full"])
def test_streams_that_are_closed_or_full_end_nothing_badly(tmp_path: Path, closed: str) -> None:
    line = " ".join(program("metrics"))
    ended = shell(tmp_path, f"{line} {closed}")
    assert ended.returncode in (0, 1)
    assert "Traceback" not in ended.stderr


def test_a_demo_whose_reader_goes_away_goes_on(tmp_path: Path) -> None:
    process = subprocess.Popen(
        program("demo", "--listen", "127.0.0.1:0"), cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
    time.sleep(1)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0

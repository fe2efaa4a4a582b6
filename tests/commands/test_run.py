"""`run`: what it counts is the truth; what is broken ends it well."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.programs import configured, finished
from tests.e2e.gateway import Gateway
from tests.otlp.receivers import HttpReceiver, black_hole
from tests.peers.process import free_port
from tests.reliability.watch import Watch


@pytest.fixture(scope="module", params=["log", "rollup"])
def gateway(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    with Gateway(folder, history="24h", rate=10, usage=request.param) as running:
        yield running


def test_one_round_counts_the_truth_exports_it_and_ends(tmp_path: Path, gateway: Gateway) -> None:
    watch = Watch()
    with HttpReceiver() as receiver:
        otlp, usage = {"endpoint": receiver.url}, {"start": "-30h"}
        config = configured(tmp_path, gateway.url, gateway.key, usage=usage, otlp=otlp)
        for _ in range(2):
            ended = finished("run", "--once", "--config", config, folder=tmp_path)
            assert ended.returncode == 0, ended.stderr
            assert counted(tmp_path) == truth(gateway)
            while receiver.received:
                watch.take(receiver.received.pop(0).request)
            cost = watch.total("bytespike.usage.cost")
            assert cost == pytest.approx(truth(gateway)[0] / 1e9, abs=1e-9)
    assert watch.wrong == []
    assert "Traceback" not in ended.stderr
    assert gateway.key not in ended.stderr + (tmp_path / "state.db").read_bytes().decode("latin-1")


def truth(gateway: Gateway) -> tuple[int, int]:
    """Cost in nano-USD and number of calls that really happened."""
    told = gateway.truth()
    return told.credits * 1000, sum(usage.calls for usage in told.usage)


def counted(folder: Path) -> tuple[int, int]:
    """Cost in nano-USD and number of calls in the state file."""
    with sqlite3.connect(folder / "state.db") as db:
        found = db.execute("SELECT TOTAL(cost), TOTAL(requests) FROM series").fetchone()
    db.close()
    return int(found[0]), int(found[1])


def test_every_problem_of_a_broken_configuration_is_told_and_nothing_starts(
    tmp_path: Path,
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "accounts:\n  - {name: prod, api_key_env: NOT_SET}\n"
        "poll: {usage: 5}\notlp: {protocol: thrift}\nlgo: {level: info}\n"
    )
    for words in (["run"], ["run", "--once"], ["check"]):
        ended = finished(*words, "--config", config, folder=tmp_path)
        assert ended.returncode == 2
        assert ended.stdout == ""
        first, *problems = ended.stderr.splitlines()
        assert first == "4 problems in the configuration:"
        assert [line.split(":")[0].strip() for line in problems] == [
            "accounts[0].api_key_env",
            "poll.usage",
            "otlp.protocol",
            "lgo",
        ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml"]


@pytest.mark.parametrize("command", ["run", "check"])
def test_who_has_no_configuration_is_told_how_to_begin(tmp_path: Path, command: str) -> None:
    ended = finished(command, folder=tmp_path)
    assert ended.returncode == 2
    assert "api_key_env: BYTESPIKE_API_KEY" in ended.stderr
    assert "bytespike-exporter demo" in ended.stderr
    assert "config.yaml: cannot be read: No such file" in ended.stderr


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("gateway", "refused the connection"),
        ("receiver", "OTLP export failed"),
        ("port", r"cannot listen on 127\.0\.0\.1:\d+.* set http\.listen to a free address"),
        ("state", "a database of another program; let state.path point elsewhere"),
    ],
)
def test_what_does_not_work_ends_it_with_1_and_is_told(
    tmp_path: Path, gateway: Gateway, broken: str, told: str
) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    with black_hole() as port, sqlite3.connect(tmp_path / "other.db") as db:
        db.execute("CREATE TABLE mine (a)")
        config = configured(
            tmp_path,
            nowhere if broken == "gateway" else gateway.url,
            gateway.key,
            otlp={"endpoint": nowhere if broken == "receiver" else ""},
            http={"listen": f"127.0.0.1:{port if broken == 'port' else 0}"},
            state={"path": str(tmp_path / ("other.db" if broken == "state" else "state.db"))},
        )
        once = [] if broken == "port" else ["--once"]
        ended = finished("run", *once, "--config", config, folder=tmp_path)
    db.close()
    assert ended.returncode == 1
    assert re.search(told, ended.stderr)
    assert "Traceback" not in ended.stderr


def test_lines_of_the_log_can_be_read_by_machines(tmp_path: Path, gateway: Gateway) -> None:
    config = configured(tmp_path, gateway.url, gateway.key, log={"format": "json"})
    ended = finished("run", "--once", "--config", config, folder=tmp_path)
    assert [json.loads(line)["level"] for line in ended.stderr.splitlines()]

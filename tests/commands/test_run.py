"""`run`: what it counts is the truth, through restarts and kills; what is broken ends it well."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.commands.programs import Exporter, configured, counted, finished
from tests.commands.sent import instances, starts, values, zero_points
from tests.e2e.gateway import Gateway
from tests.otlp.receivers import HttpReceiver, Received, black_hole
from tests.peers.process import free_port, until

HISTORY = {"start": "-30h"}


@pytest.fixture(scope="module", params=["log", "rollup"])
def gateway(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    with Gateway(folder, history="24h", rate=10, usage=request.param) as running:
        yield running


def truth(gateway: Gateway) -> tuple[int, int]:
    """Cost in nano-USD and number of calls that really happened."""
    told = gateway.truth()
    return told.credits * 1000, sum(usage.calls for usage in told.usage)


def test_one_round_counts_the_truth_exports_it_and_ends(tmp_path: Path, gateway: Gateway) -> None:
    with HttpReceiver() as receiver:
        otlp = {"endpoint": receiver.url}
        config = configured(tmp_path, gateway.url, gateway.key, usage=HISTORY, otlp=otlp)
        for _ in range(2):
            ended = finished("run", "--once", "--config", config, folder=tmp_path)
            assert ended.returncode == 0, ended.stderr
            assert counted(tmp_path) == truth(gateway)
        sent = values(receiver.received, "bytespike.usage.cost")
        assert sum(sent.values()) == pytest.approx(truth(gateway)[0] / 1e9, abs=1e-9)
        assert "Traceback" not in ended.stderr
        assert gateway.key not in ended.stderr + (tmp_path / "state.db").read_bytes().decode(
            "latin-1"
        )


def test_a_restart_goes_on_with_the_same_series(tmp_path: Path, gateway: Gateway) -> None:
    with HttpReceiver() as receiver:
        otlp = {"endpoint": receiver.url}
        config = configured(tmp_path, gateway.url, gateway.key, usage=HISTORY, otlp=otlp)

        def live() -> list[Received]:
            first = len(receiver.received)
            everything = truth(gateway)[0] / 1e9 - 1e-9

            def arrived() -> bool:
                costs = values(receiver.received[first:], "bytespike.usage.cost")
                return sum(costs.values()) >= everything

            with Exporter(config) as exporter:
                until(arrived, "everything at the receiver")
                assert exporter.end()[0] == 0
            return receiver.received[first:]

        before = live()
        gateway.bill(3)
        after = live()
    assert instances(before) == instances(after)
    assert len(instances(before)) == 1
    began = starts(before, "bytespike.usage.")
    assert all(len(times) == 1 for times in began.values())
    assert began.items() <= starts(after, "bytespike.usage.").items()
    later = values(after, "bytespike.usage.cost")
    assert all(later[s] >= cost for s, cost in values(before, "bytespike.usage.cost").items())
    assert zero_points(before, "bytespike.usage.cost")
    assert not zero_points(after, "bytespike.usage.cost") & began.keys()


def test_a_kill_in_the_middle_of_catching_up_costs_nothing(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    folder = tmp_path_factory.mktemp("slow")
    with Gateway(folder, history="6h", rate=10, max_page_size=20) as gateway:
        gateway.post("fault", kind="delay", endpoint="usage", seconds=0.01)
        config = configured(tmp_path, gateway.url, gateway.key, usage=HISTORY)
        kills = 0
        while counted(tmp_path) != truth(gateway):
            with Exporter(config) as exporter:
                asked = gateway.requests().get("usage", 0)
                enough = asked + 50 if kills < 3 else 10**9
                until(
                    lambda enough=enough: (
                        gateway.requests().get("usage", 0) >= enough  # type: ignore[misc]
                        or counted_live(exporter) == truth(gateway)
                    ),
                    "progress",
                )
                exporter.kill()
            kills += 1
            assert counted(tmp_path)[1] <= truth(gateway)[1]
        assert kills >= 3


def counted_live(exporter: Exporter) -> tuple[int, int]:
    """As `counted`, from /metrics: a running exporter holds its state file."""
    text = httpx.get(f"{exporter.url}/metrics").text
    sums = dict.fromkeys(("bytespike_usage_cost_USD_total", "bytespike_usage_requests_total"), 0.0)
    for line in text.splitlines():
        name = line.partition("{")[0]
        if name in sums:
            sums[name] += float(line.rpartition(" ")[2])
    cost, requests = sums.values()
    return round(cost * 1e6) * 1000, round(requests)


def test_the_first_export_waits_for_the_first_answers_and_for_no_interval(
    tmp_path: Path, gateway: Gateway
) -> None:
    with HttpReceiver() as receiver:
        otlp = {"endpoint": receiver.url, "interval": "30s"}
        config = configured(tmp_path, gateway.url, gateway.key, otlp=otlp)
        with Exporter(config):
            until(lambda: receiver.received, "the first export", 25.0)
            assert values(receiver.received, "bytespike.wallet.balance")


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


def test_a_busy_port_is_told_with_what_to_change(tmp_path: Path, gateway: Gateway) -> None:
    with black_hole() as port:
        http = {"listen": f"127.0.0.1:{port}"}
        config = configured(tmp_path, gateway.url, gateway.key, http=http)
        ended = finished("run", "--config", config, folder=tmp_path)
    assert ended.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in ended.stderr
    assert "set http.listen to a free address" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_second_exporter_on_one_state_file_is_refused(tmp_path: Path, gateway: Gateway) -> None:
    config = configured(tmp_path, gateway.url, gateway.key)
    with Exporter(config):
        ended = finished("run", "--config", config, folder=tmp_path)
        assert ended.returncode == 1
        assert "is held by another process; stop the other exporter" in ended.stderr


def test_a_state_file_that_is_no_state_file_is_told(tmp_path: Path, gateway: Gateway) -> None:
    with sqlite3.connect(tmp_path / "state.db") as db:
        db.execute("CREATE TABLE mine (a)")
    db.close()
    config = configured(tmp_path, gateway.url, gateway.key)
    ended = finished("run", "--once", "--config", config, folder=tmp_path)
    assert ended.returncode == 1
    assert "a database of another program; let state.path point elsewhere" in ended.stderr


def test_a_damaged_state_file_is_set_aside_and_counting_starts_from_now(
    tmp_path: Path, gateway: Gateway
) -> None:
    (tmp_path / "state.db").write_bytes(b"rubbish" * 1000)
    config = configured(tmp_path, gateway.url, gateway.key, usage=HISTORY)
    ended = finished("run", "--once", "--config", config, folder=tmp_path)
    assert ended.returncode == 0
    assert "was moved to" in ended.stderr
    assert "Counting starts anew from now" in ended.stderr
    assert counted(tmp_path) == (0, 0)


@pytest.mark.parametrize("broken", ["gateway", "receiver"])
def test_one_round_that_fails_exits_with_1_and_says_why(
    tmp_path: Path, gateway: Gateway, broken: str
) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    url = nowhere if broken == "gateway" else gateway.url
    otlp = {"endpoint": nowhere if broken == "receiver" else ""}
    config = configured(tmp_path, url, gateway.key, otlp=otlp)
    ended = finished("run", "--once", "--config", config, folder=tmp_path)
    assert ended.returncode == 1
    wanted = "OTLP export failed" if broken == "receiver" else "refused the connection"
    assert wanted in ended.stderr


def test_lines_of_the_log_can_be_read_by_machines(tmp_path: Path, gateway: Gateway) -> None:
    config = configured(tmp_path, gateway.url, gateway.key, log={"format": "json"})
    ended = finished("run", "--once", "--config", config, folder=tmp_path)
    assert [json.loads(line)["level"] for line in ended.stderr.splitlines()]

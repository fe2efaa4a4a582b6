"""`check`: what it prints must say what is wrong and what to do."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from exporter.check.table import DETAILED, rows, sum_of
from exporter.check.tried import Tried
from tests.commands.programs import KEY, Exporter, configured, finished
from tests.e2e.gateway import Gateway
from tests.http import Reply
from tests.otlp.receivers import HttpReceiver
from tests.peers.process import free_port
from tests.reliability.watch import Watch

Ended = subprocess.CompletedProcess[str]


def table(tried: list[Tried]) -> list[str]:
    return [*rows(tried), "", sum_of(tried)]


def check(folder: Path, url: str, key: str = KEY, **settings: object) -> Ended:
    config = configured(folder, url, key, **settings)
    ended = finished("check", "--config", config, folder=folder)
    assert key not in ended.stdout + ended.stderr
    assert ended.stderr == ""
    return ended


def failures(ended: Ended) -> list[str]:
    return re.findall(r"^ +FAIL +(.*)$", ended.stdout, re.MULTILINE)


def test_where_all_works_it_says_so_and_leaves_nothing(tmp_path: Path, gateway: Gateway) -> None:
    with HttpReceiver() as receiver:
        ended = check(tmp_path, gateway.url, gateway.key, otlp={"endpoint": receiver.url})
        watch = Watch()
        for one in receiver.received:
            watch.take(one.request)
    assert ended.returncode == 0
    assert failures(ended) == []
    said = ended.stdout
    assert re.search(r"ok +prod: account +key sk-byts-….{4}, 100\.00 USD left", said)
    assert re.search(r"ok +prod: usage +the gateway gives the log: 200 rows or more in the l", said)
    assert re.search(r"ok +prod: transactions +n", said)
    assert re.search(r"ok +state +.*state\.db can be made", said)
    assert re.search(r"ok +otlp +.* accepted an export", said)
    assert said.endswith("All of it works.\n")
    assert list(watch.values) == ["bytespike.exporter.build.info"], "counters are the daemon's"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", "key"]


def test_two_names_for_one_wallet_are_a_warning_and_no_success(
    tmp_path: Path, gateway: Gateway
) -> None:
    key = str(tmp_path / "key")
    twice = [{"name": name, "api_key_file": key} for name in ("prod", "second")]
    ended = check(tmp_path, gateway.url, gateway.key, accounts=twice)
    assert ended.returncode == 1
    assert failures(ended) == []
    assert re.search(
        r"WARN +wallets +prod, second are one wallet \(user \d+\), which", ended.stdout
    )
    assert ended.stdout.endswith("It works, but for what the warning says.\n")


def failing(folder: Path, url: str, key: str = KEY, **settings: object) -> list[str]:
    """What failed of a check that did not succeed."""
    ended = check(folder, url, key, **settings)
    assert ended.returncode == 1
    assert f"{len(failures(ended))} of 6 failed" in ended.stdout
    return failures(ended)


def test_a_wrong_key_is_told_with_the_place_to_put_it_right(
    tmp_path: Path, gateway: Gateway
) -> None:
    told = f"the key is wrong, revoked or expired: check api_key_file '{tmp_path}/key'"
    assert [told in line for line in failing(tmp_path, gateway.url)] == [True] * 3


def test_a_key_file_that_is_not_there_is_noted_and_told(tmp_path: Path, gateway: Gateway) -> None:
    accounts = [{"name": "prod", "api_key_file": str(tmp_path / "none")}]
    ended = check(tmp_path, gateway.url, accounts=accounts)
    assert ended.returncode == 1
    assert "note: accounts[0].api_key_file:" in ended.stdout
    assert "does not exist; put the API key there, alone on one line" in failures(ended)[0]


def test_a_gateway_that_is_down_is_told(tmp_path: Path) -> None:
    told = failing(tmp_path, f"http://127.0.0.1:{free_port()}")[0]
    assert "network: " in told
    assert "refused the connection: check base_url and its port" in told


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"kind": "html"}, "answered 200 with text/html, but the answer is not JSON"),
        ({"kind": "truncated"}, "with application/json, but the answer is not JSON"),
        ({"kind": "redirect", "status": 302}, "redirects are not followed: set base_url"),
        ({"kind": "proxy", "status": 404}, "answered 404: check base_url"),
        ({"kind": "huge"}, "larger than 8 MiB"),
        ({"kind": "hang"}, "raise gateway.timeout if this is usual"),
    ],
    ids=lambda case: case.get("kind") if isinstance(case, dict) else "",
)
def test_a_gateway_that_answers_nonsense_is_told(
    tmp_path: Path, gateway: Gateway, fault: dict[str, object], told: str
) -> None:
    gateway.post("fault", **fault)
    try:
        said = failing(tmp_path, gateway.url, gateway.key)
    finally:
        gateway.post("faults/clear")
    assert len(said) == 3
    assert told in said[0]


def test_the_rollup_is_named_as_such(tmp_path: Path, gateway: Gateway) -> None:
    gateway.post("options", usage="rollup")
    try:
        ended = check(tmp_path, gateway.url, gateway.key)
        assert "the gateway gives the rollup:" in ended.stdout
        (failure,) = failing(tmp_path, gateway.url, gateway.key, usage={"mode": "log"})
        assert "set usage.mode to rollup or auto" in failure
    finally:
        gateway.post("options", usage="log")


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply(404), "is otlp.endpoint a base URL with the right path?"),
        (Reply(401), "are the credentials in otlp.headers right?"),
        (Reply(301, headers={"Location": "http://elsewhere/"}), "redirects"),
        (Reply(200, b"<html>", "text/html"), "is otlp.endpoint an OTLP receiver?"),
        (None, "otlp.endpoint"),
    ],
    ids=["404", "401", "301", "web page", "down"],
)
def test_a_receiver_that_does_not_take_the_export_is_told(
    tmp_path: Path, gateway: Gateway, reply: Reply | None, told: str
) -> None:
    with HttpReceiver(*([reply] if reply else [])) as receiver:
        url = receiver.url if reply else f"http://127.0.0.1:{free_port()}/v1/metrics"
        (failure,) = failing(tmp_path, gateway.url, gateway.key, otlp={"endpoint": url})
    assert failure.startswith("otlp")
    assert told in failure


def test_a_place_for_the_state_that_cannot_be_written_is_told(
    tmp_path: Path, gateway: Gateway
) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "state.db", tmp_path, Path("/proc/state.db")):
        (failure,) = failing(tmp_path, gateway.url, gateway.key, state={"path": str(path)})
        assert re.match(rf"state +{re.escape(str(path))} cannot be written \(", failure)
        assert "let state.path point to a file on a writable disk" in failure


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_permission_is_told(tmp_path: Path, gateway: Gateway) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=stat.S_IRUSR | stat.S_IXUSR)
    state = {"path": str(closed / "state.db")}
    assert "Permission denied" in failing(tmp_path, gateway.url, gateway.key, state=state)[0]


def test_a_running_exporter_is_not_disturbed(tmp_path: Path, gateway: Gateway) -> None:
    config = configured(tmp_path, gateway.url, gateway.key)
    with Exporter(config) as exporter:
        ended = finished("check", "--config", config, folder=tmp_path)
        assert ended.returncode == 0, ended.stdout
        assert exporter.end()[0] == 0
        assert " error " not in exporter.output()


def test_the_environments_certificates_that_are_not_there_are_a_problem_of_configuration(
    tmp_path: Path, gateway: Gateway
) -> None:
    config = configured(tmp_path, gateway.url.replace("http:", "https:"), gateway.key)
    spoiled = {"SSL_CERT_FILE": "/nowhere.pem"}
    for command in ("check", "run"):
        ended = finished(command, "--config", config, folder=tmp_path, variables=spoiled)
        assert ended.returncode == 2
        assert "1 problem in the configuration:" in ended.stderr
        assert "check SSL_CERT_FILE" in ended.stderr


def test_names_that_forge_lines_and_terminals_without_unicode_do_no_harm(
    tmp_path: Path, gateway: Gateway
) -> None:
    config = configured(tmp_path, gateway.url, gateway.key)
    plain = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    ended = finished("check", "--config", config, folder=tmp_path, variables=plain)
    assert ended.returncode == 0
    assert r"sk-byts-\u2026" in ended.stdout
    lines = table([Tried("a\x1b[2J\nok", "usage", False, "b\r\n  ok    all is well")])
    assert len(lines) == 3
    assert lines[0].isprintable()


# -- many accounts ----------------------------------------------------------------------


def many(number: int, failing: int, said: str = "network: down") -> list[Tried]:
    return [
        Tried(f"a{n}", what, n >= failing, "fine" if n >= failing else said.format(n=f"a{n}"))
        for n in range(number)
        for what in ("account", "usage")
    ]


def test_a_thousand_accounts_that_work_are_a_few_lines() -> None:
    lines = table([*many(1000, 0), Tried("", "state", True, "can be made")])
    assert lines == [
        "  ok    account  1,000 of 1,000 accounts",
        "  ok    usage    1,000 of 1,000 accounts",
        "  ok    state    can be made",
        "",
        "All of it works.",
    ]


NO_KEY = "auth: no key for account '{n}': put it there"
NO_FILE = "auth: file /keys/{n} does not exist"


@pytest.mark.parametrize(
    ("tried", "length", "at", "line"),
    [
        (many(1000, 400), 6, 1, "  FAIL  account  a0, a1, a2, a3, a4 and 395 more: network: down"),
        (many(1000, 400), 6, 5, "800 of 2000 failed; each line says what to do next."),
        (many(100, 60, NO_KEY), 6, 1, "auth: no key for account …: put it there"),
        (
            many(1000, 1000, NO_FILE),
            2 * (DETAILED + 1) + 2,
            DETAILED,
            "980 more accounts, for other reasons",
        ),
        (many(DETAILED, 1), 2 * DETAILED + 2, 0, "  FAIL  a0: account   network: down"),
    ],
    ids=["the same", "counted", "named", "all different", "few"],
)
def test_failures_of_many_accounts_stay_readable(
    tried: list[Tried], length: int, at: int, line: str
) -> None:
    lines = table(tried)
    assert len(lines) == length
    assert line in lines[at]

"""A marked key is looked for in everything that a process at debug level lets out."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from itertools import cycle
from pathlib import Path

import httpx
import pytest

from bytespike_simulator import Simulator, quiet
from tests.reliability import hostile
from tests.reliability.hostile import Front, Trick, echoing, trap
from tests.reliability.machine import MARK, Process, Receiver, served
from tests.reliability.trials import SOAK, Trials, saw

KEYS = {
    "in the gateway's spelling": f"sk-byts-{MARK}0123456789abcdef9f3c",
    "in another spelling": f"{MARK}.0123456789/abcdef+9f3c=",
}
PAGES = ("/", "/metrics", "/livez", "/readyz", "/account/prod", "/nothing")
ENDPOINTS = ("account", "usage", "transactions")
STATUSES = (200, 201, 302, 307, 400, 401, 402, 403, 404, 429, 500, 503)
FAULTS: dict[str, Trick] = {
    **{f"an echo under {status}": echoing(status) for status in STATUSES},
    "an echo in JSON escapes": echoing(200, spelled=True),
    "TCP reset": hostile.reset,
    "black hole": hostile.black_hole,
    "a byte a second": hostile.drip,
    "endless headers": hostile.endless_headers,
    "another protocol": hostile.no_http,
}
REFUSALS = (200, 307, 400, 401, 503)
"""How the receiver answers in turn. All but the first tell the token that it was sent."""

ECHOES = [name for name in FAULTS if "echo" in name][:: 1 if SOAK else 6]
PROMISED = (
    "No part of the key in logs, tracebacks, pages, `/metrics`, OTLP requests, the state file, "
    "the process's arguments; no request to another host."
)
SEEN = (
    "{bytes} bytes searched: {lines} lines of log, {pages} pages, {exports} exports, {files} "
    "readings of the state's files; found {found} times; {strays} requests to another host"
)


PAIRS = [(spelling, format) for spelling in KEYS for format in ("text", "json")]


@pytest.mark.parametrize(("spelling", "format"), PAIRS if SOAK else PAIRS[::3])
def test_a_marked_key_is_found_nowhere(
    trials: Trials, tmp_path: Path, spelling: str, format: str
) -> None:
    row = trials.row(
        "Secrets",
        f"{len(FAULTS)} faults on the wire, most of which echo the key ({spelling}; log as "
        f"{format}), and a receiver that echoes its token",
        PROMISED,
        SEEN,
    )
    key = KEYS[spelling]
    simulator = Simulator(quiet(rpm_limit=0))
    simulator.world.keys[0].secret = key
    simulator.world.bill()
    with Receiver() as receiver, trap() as (elsewhere, strays):
        receiver.keep = True
        with served(simulator) as url, Front(url) as front:
            process = Process(
                tmp_path,
                front.url,
                key,
                otlp={"endpoint": receiver.url, "headers": {"x-token": f"{MARK}-token-value"}},
                gateway={"timeout": "500ms"},
                log={"level": "debug", "format": format},
            )
            process.start()
            try:
                pages, state = _through_everything(process, front, receiver, elsewhere)
            finally:
                process.kill()
    state += process.stored()
    sent = receiver.bodies
    secrets = [process.output().encode(), *pages, *sent, *state]
    found = sum(MARK.encode() in text for text in secrets)
    found += sum(MARK in head.replace(f"{MARK}-token-value", "") for head in receiver.headers)
    saw(
        row,
        len(FAULTS),
        bytes=sum(map(len, secrets)),
        lines=len(process.output().splitlines()),
        pages=len(pages),
        exports=len(sent),
        files=len(state),
        found=found,
        strays=len(strays),
    )
    assert len(sent) >= 5
    assert state
    assert "debug" in process.output()
    assert not found
    assert not strays


def _through_everything(
    process: Process, front: Front, receiver: Receiver, elsewhere: str
) -> tuple[list[bytes], list[bytes]]:
    """Every fault at every endpoint and of the receiver; gives what was served and stored."""
    address = process.address()
    pages: list[bytes] = []
    state: list[bytes] = []
    with httpx.Client(trust_env=False, timeout=20) as client:
        tricks = [*FAULTS.values(), hostile.redirecting(elsewhere)]
        for trick, status in zip(tricks, cycle(REFUSALS), strict=False):
            receiver.status = status
            front.tricks = dict.fromkeys(ENDPOINTS, trick)
            _wait_for_requests(front)
            assert process.running(), process.output()[-2000:]
            for page in PAGES:
                response = client.get(f"http://{address}{page}")
                pages.append(f"{response.headers}".encode() + response.content)
            state += process.stored()
        pages.append(Path(f"/proc/{process.pid}/cmdline").read_bytes())
    os.kill(process.pid, signal.SIGHUP)
    time.sleep(0.5)
    front.tricks, receiver.status = {}, 200
    time.sleep(0.5)
    assert process.end() == 0
    return pages, state


def _wait_for_requests(front: Front) -> None:
    """Until every endpoint was asked twice, or for a while: a refused key is asked slowly."""
    before = dict(front.asked)
    deadline = time.monotonic() + (2.0 if SOAK else 0.8)
    while time.monotonic() < deadline:
        if all(front.asked.get(e, 0) >= before.get(e, 0) + 2 for e in ENDPOINTS):
            return
        time.sleep(0.02)


@pytest.mark.parametrize("command", [["run", "--once"], ["check"]], ids=" ".join)
@pytest.mark.parametrize("name", ECHOES)
def test_commands_that_end_show_no_key_either(
    trials: Trials, tmp_path: Path, command: list[str], name: str
) -> None:
    row = trials.row(
        "Secrets",
        f"`{' '.join(command)}` against a gateway that echoes the key",
        "No part of the key in what it prints or leaves behind.",
        "{bytes} bytes searched, found {found} times",
    )
    key = KEYS["in the gateway's spelling"]
    with Front("http://127.0.0.1:9") as front:
        front.tricks = dict.fromkeys(ENDPOINTS, FAULTS[name])
        process = Process(tmp_path, front.url, key, log={"level": "debug"})
        line = [str(word) for word in process.command()]
        line[line.index("run") : line.index("run") + 1] = command
        ended = subprocess.run(line, cwd=tmp_path, capture_output=True, timeout=60, check=False)
    texts = [ended.stdout, ended.stderr, *process.stored()]
    found = sum(MARK.encode() in text for text in texts)
    saw(row, bytes=sum(map(len, texts)), found=found)
    assert texts[0] or texts[1]
    assert not found

"""The tap as a process: killed, flooded, held up, and searched for the keys that pass through."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from bytespike_simulator import Simulator, quiet
from exporter.config.types import Config, Listen
from tests.otlp.receivers import free_port
from tests.reliability import hostile
from tests.reliability.hostile import Front, echoing
from tests.reliability.machine import Process, Receiver, served
from tests.reliability.trials import SOAK, Trials, saw
from tests.webhook.fakes import HEADER, PATH, event, signature

PART = "The tap"
MARK = "MARKED0fPriceless"
KEY = f"sk-byts-{MARK}0123456789abcdef9f3c"
KILLS = 40 if SOAK else 4
DATAGRAMS = 200_000 if SOAK else 20_000
CALL = "/v1/chat/completions"
STREAM = {"model": "gpt-5-4", "stream": True, "messages": [{"role": "user", "content": "?"}]}


class Tapped(Process):
    """An exporter with listener, proxy and webhook on fixed ports, so that it can be restarted."""

    def __init__(self, folder: Path, url: str, **settings: object) -> None:
        self.listener, self.proxy = free_port(), free_port()
        (folder / "secret").write_text(f"{MARK}-webhook-secret\n")
        tap = {
            "listen": f"127.0.0.1:{self.listener}",
            "proxy": {"listen": f"127.0.0.1:{self.proxy}"},
        }
        webhook = {"secret_file": str(folder / "secret")}
        super().__init__(folder, url, KEY, tap=tap, webhook=webhook, **settings)

    def report(self, datagram: bytes) -> None:
        """Send one datagram to the listener."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(datagram, ("127.0.0.1", self.listener))

    def metric(self, start: str) -> float:
        """The sum of the samples that begin so."""
        text = httpx.get(f"http://{self.address()}/metrics", trust_env=False).text
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(start))


@contextmanager
def tapped(folder: Path, url: str, **settings: object) -> Iterator[Tapped]:
    process = Tapped(folder, url, **settings)
    process.start()
    try:
        process.address()
        yield process
    finally:
        process.kill()


def client(process: Tapped) -> httpx.Client:
    """An application that uses the proxy."""
    return httpx.Client(
        trust_env=False,
        base_url=f"http://127.0.0.1:{process.proxy}",
        headers={"authorization": f"Bearer {KEY}"},
        timeout=20,
    )


def simulator() -> Simulator:
    made = Simulator(quiet(rpm_limit=0, answer_tokens=40, token_seconds=0.01))
    made.world.keys[0].secret = KEY
    return made


def test_an_application_whose_proxy_is_killed_sees_an_error_and_goes_on_after_the_restart(
    trials: Trials, tmp_path: Path
) -> None:
    row = trials.row(
        PART,
        "SIGKILL while an answer streams through the proxy",
        "The application sees an error, never an answer that only looks whole; its next call works "
        "as soon as the exporter is back at the same address.",
        "{broken} of {killed} streams ended in an error, {short} looked whole; {again} next calls "
        "worked, {ms} ms after the new start in all",
    )
    broken = short = again = elapsed = 0
    with served(simulator()) as url, tapped(tmp_path, url) as process:
        for _ in range(KILLS):
            with client(process) as application:
                try:
                    with application.stream("POST", CALL, json=STREAM) as response:
                        for line in response.iter_lines():
                            if '"content":"3 "' in line:
                                process.kill()
                        short += 1
                except httpx.HTTPError:
                    broken += 1
            began = time.monotonic()
            process.start()
            with client(process) as application:
                while True:
                    try:
                        again += application.get("/v1/models").status_code == 200
                        break
                    except httpx.ConnectError:
                        time.sleep(0.01)
            elapsed += int((time.monotonic() - began) * 1000)
    saw(row, KILLS, broken=broken, killed=KILLS, short=short, again=again, ms=elapsed)
    assert (broken, short, again) == (KILLS, 0, KILLS)


def test_a_flood_of_datagrams_is_counted_and_holds_up_nothing(
    trials: Trials, tmp_path: Path
) -> None:
    row = trials.row(
        PART,
        "a flood of true, forged and malformed datagrams",
        "Each is accepted, rejected or dropped, and counted as that; polls, pages and proxied "
        "calls go on; memory is bounded.",
        "{sent} sent, {counted} counted ({accepted} accepted); {polls} polls and {calls} calls "
        "meanwhile; {kib} KiB more resident",
    )
    with served(simulator()) as url, tapped(tmp_path, url) as process, client(process) as app:
        before, polled = _resident(process.pid), process.metric("bytespike_exporter_polls_total")
        calls = 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number in range(DATAGRAMS):
                sender.sendto(_datagram(number), ("127.0.0.1", process.listener))
                if number % (DATAGRAMS // 20) == 0:
                    calls += app.get("/v1/models").status_code == 200
        counted = _settled(process, DATAGRAMS + calls)
        polls = int(process.metric("bytespike_exporter_polls_total") - polled)
        taken = (
            'bytespike_tap_observations_total{bytespike_source="log",bytespike_outcome="accepted"'
        )
        accepted = int(process.metric(taken))
        more = max(0, _resident(process.pid) - before)
    sent = DATAGRAMS + calls
    numbers = {"sent": sent, "counted": counted, "accepted": accepted}
    saw(row, **numbers, polls=polls, calls=calls, kib=more)
    assert counted == sent
    assert calls == 20
    assert accepted > 0
    assert polls > 0
    assert more < 16 * 1024


def _datagram(number: int) -> bytes:
    """One in three is malformed; the keys of the others are many more than are followed."""
    if number % 3 == 0:
        return b"{" * (number % 700)
    told = {"key": f"sk-byts-…{number % 5000:04}", "status": 200, "x-ratelimit-remaining": "1.5"}
    return json.dumps(told).encode()


def _settled(process: Tapped, wanted: int) -> int:
    """What was counted, once all has arrived or nothing more comes."""
    deadline = time.monotonic() + 60
    counted = 0
    while time.monotonic() < deadline and counted < wanted:
        time.sleep(0.2)
        counted = int(process.metric("bytespike_tap_observations_total"))
    return counted


def _resident(pid: int) -> int:
    """KiB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmRSS:\s+(\d+)", status)
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize("name", ["reset", "black_hole", "no_http", "endless_headers"])
def test_a_gateway_that_fails_on_traffic_costs_the_calls_and_nothing_else(
    trials: Trials, tmp_path: Path, name: str
) -> None:
    row = trials.row(
        PART,
        f"the gateway fails on the traffic: {name}",
        "The application gets an error or what the gateway sent, never a short answer that looks "
        "whole; polls go on as before.",
        "{errors} errors in {calls} calls; {failed} polls failed",
    )
    with served(simulator()) as url, Front(url) as front, tapped(tmp_path, front.url) as process:
        front.tricks = {"models": getattr(hostile, name)}
        errors = 0
        for _ in range(3):
            with client(process) as app:
                app.timeout = httpx.Timeout(2.0)
                try:
                    errors += app.get("/v1/models").status_code >= 500
                except httpx.HTTPError:
                    errors += 1
        failed = int(_failed(process))
        front.tricks = {}
        with client(process) as app:
            assert app.get("/v1/models").status_code == 200
    saw(row, 3, errors=errors, calls=3, failed=failed)
    assert errors == 3
    assert failed == 0


def _failed(process: Tapped) -> float:
    """Polls that failed."""
    text = httpx.get(f"http://{process.address()}/metrics", trust_env=False).text
    found = re.findall(r"^bytespike_exporter_polls_total\{(.*)\} (\d+)$", text, re.MULTILINE)
    return sum(float(count) for labels, count in found if 'outcome="success"' not in labels)


def test_slow_clients_do_not_keep_others_out(trials: Trials, tmp_path: Path) -> None:
    row = trials.row(
        PART,
        "200 clients that send a byte of a request and no more",
        "Calls of others pass.",
        "{answered} of {calls} calls answered",
    )
    with served(simulator()) as url, tapped(tmp_path, url) as process:
        slow = [socket.create_connection(("127.0.0.1", process.proxy)) for _ in range(200)]
        for connection in slow:
            connection.send(b"G")
        with client(process) as app:
            answered = sum(app.get("/v1/models").status_code == 200 for _ in range(20))
        for connection in slow:
            connection.close()
    saw(row, 200, answered=answered, calls=20)
    assert answered == 20


def test_no_key_that_passes_through_is_found_anywhere(trials: Trials, tmp_path: Path) -> None:
    row = trials.row(
        "Secrets",
        "calls through the proxy with a marked key in every place, answers that echo it, "
        "datagrams that hold it whole, signed and forged deliveries",
        "No part of a key or of the webhook's secret in logs, pages, `/metrics`, OTLP requests, "
        "the state file.",
        "{bytes} bytes searched after {calls} calls; found {found} times",
    )
    with Receiver() as receiver, served(simulator()) as url, Front(url) as front:
        receiver.keep = True
        settings = {"otlp": {"endpoint": receiver.url}, "log": {"level": "debug"}}
        with tapped(tmp_path, front.url, **settings) as process:
            calls = _use(process, front)
            _report_whole_keys(process)
            _deliver(process)
            time.sleep(0.5)
            with httpx.Client(trust_env=False) as reader:
                pages = [
                    reader.get(f"http://{process.address()}{page}").content
                    for page in ("/", "/metrics", "/readyz", "/livez")
                ]
            assert process.end() == 0
            state = [path.read_bytes() for path in tmp_path.glob("state.db*")]
            texts = [process.output().encode(), *pages, *receiver.bodies, *state]
    found = sum(MARK.encode() in text for text in texts)
    saw(row, bytes=sum(map(len, texts)), calls=calls, found=found)
    assert b"sk-byts-\xe2\x80\xa69f3c" in b"".join(pages)
    assert receiver.bodies
    assert not found


def _use(process: Tapped, front: Front) -> int:
    """The key in headers, path, query and body, against a gateway that echoes it."""
    calls = 0
    with httpx.Client(trust_env=False, timeout=10) as app:
        base = f"http://127.0.0.1:{process.proxy}"
        for trick in (None, *(echoing(status) for status in (200, 302, 401, 402, 429, 500))):
            front.tricks = {} if trick is None else dict.fromkeys(("models", "calls"), trick)
            for headers in ({"x-api-key": KEY}, {"authorization": f"Bearer {KEY}"}):
                for path in ("/v1/models", f"/{KEY}", f"/v1/models?key={KEY}"):
                    app.get(base + path, headers=headers)
                    calls += 1
                app.post(base + CALL, json={"model": KEY}, headers=headers)
                app.request(KEY.upper()[:20], base, headers=headers | {"host": KEY})
                calls += 2
    front.tricks = {}
    return calls


def _report_whole_keys(process: Tapped) -> None:
    whole = [
        {"key": KEY, "status": 200},
        {"key": "sk-byts-…9f3c", "status": 200, "model": KEY},
        {"key": "sk-byts-…9f3c", "status": 200, "x-ratelimit-limit": KEY},
        {"key": "sk-byts-…9f3c", "status": 200, "source": KEY},
        {KEY: 1},
    ]
    for told in whole:
        process.report(json.dumps(told).encode())
        process.report(f"<190>{KEY}: {json.dumps(told)}".encode())
    process.report(KEY.encode())


def _deliver(process: Tapped) -> None:
    body = event(note=KEY)
    url = f"http://{process.address()}{PATH}"
    for signed in (signature(body, f"{MARK}-webhook-secret"), signature(body, KEY), KEY):
        httpx.post(url, content=body, headers={HEADER: signed}, trust_env=False)


def test_the_tap_is_off_unless_told_otherwise() -> None:
    config = Config(accounts=())
    assert not config.tap.enabled
    assert config.webhook.secret_file is None
    assert config.http.listen == Listen("127.0.0.1", 9464)

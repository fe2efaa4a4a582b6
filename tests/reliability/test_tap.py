"""The tap as a process: flooded, and searched for the keys that it is sent."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from bytespike_simulator import Simulator, quiet
from exporter.config.types import Config, Listen
from tests.otlp.receivers import free_port
from tests.reliability.machine import Process, Receiver, served
from tests.reliability.trials import SOAK, Trials, saw
from tests.webhook.fakes import HEADER, PATH, event, signature

PART = "The tap"
MARK = "MARKED0fPriceless"
KEY = f"sk-byts-{MARK}0123456789abcdef9f3c"
DATAGRAMS = 200_000 if SOAK else 20_000


class Tapped(Process):
    """An exporter with listener and webhook, whose datagrams come to a known port."""

    def __init__(self, folder: Path, url: str, **settings: object) -> None:
        self.listener = free_port()
        (folder / "secret").write_text(f"{MARK}-webhook-secret\n")
        tap = {"listen": f"127.0.0.1:{self.listener}"}
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


def simulator() -> Simulator:
    made = Simulator(quiet(rpm_limit=0))
    made.world.keys[0].secret = KEY
    return made


def test_a_flood_of_datagrams_is_counted_and_holds_up_nothing(
    trials: Trials, tmp_path: Path
) -> None:
    row = trials.row(
        PART,
        "a flood of true, forged and malformed datagrams",
        "Each is accepted, rejected or dropped, and counted as that; polls and pages go on; "
        "memory is bounded.",
        "{sent} sent, {counted} counted ({accepted} accepted); {polls} polls and {pages} pages "
        "meanwhile; {kib} KiB more resident",
    )
    with served(simulator()) as url, tapped(tmp_path, url) as process:
        before, polled = _resident(process.pid), process.metric("bytespike_exporter_polls_total")
        pages = 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number in range(DATAGRAMS):
                sender.sendto(_datagram(number), ("127.0.0.1", process.listener))
                if number % (DATAGRAMS // 20) == 0:
                    pages += process.metric("bytespike_gateway_up") > 0
        counted = _settled(process, DATAGRAMS)
        polls = int(process.metric("bytespike_exporter_polls_total") - polled)
        taken = (
            'bytespike_tap_observations_total{bytespike_source="log",bytespike_outcome="accepted"'
        )
        accepted = int(process.metric(taken))
        more = max(0, _resident(process.pid) - before)
    numbers = {"sent": DATAGRAMS, "counted": counted, "accepted": accepted}
    saw(row, **numbers, polls=polls, pages=pages, kib=more)
    assert counted == DATAGRAMS
    assert pages == 20
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


def test_no_key_that_passes_through_is_found_anywhere(trials: Trials, tmp_path: Path) -> None:
    row = trials.row(
        "Secrets",
        "datagrams that hold a marked key whole, signed and forged deliveries",
        "No part of a key or of the webhook's secret in logs, pages, `/metrics`, OTLP requests, "
        "the state file.",
        "{bytes} bytes searched; found {found} times",
    )
    with Receiver() as receiver, served(simulator()) as url:
        receiver.keep = True
        settings = {"otlp": {"endpoint": receiver.url}, "log": {"level": "debug"}}
        with tapped(tmp_path, url, **settings) as process:
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
    saw(row, bytes=sum(map(len, texts)), found=found)
    assert b"sk-byts-\xe2\x80\xa69f3c" in b"".join(pages)
    assert receiver.bodies
    assert not found


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
    process.report('{"key": "sk-byts-…9f3c", "status": 200}'.encode())


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

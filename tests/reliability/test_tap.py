"""The tap's listener and the webhook of a process: searched for the keys that they get."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from bytespike_simulator import Simulator, quiet
from tests.peers.process import free_port
from tests.reliability.machine import MARK, Process, Receiver, served
from tests.reliability.trials import Trials, saw
from tests.webhook.fakes import HEADER, PATH, event, signature

KEY = f"sk-byts-{MARK}0123456789abcdef9f3c"


class Tapped(Process):
    """An exporter with a listener and a webhook."""

    def __init__(self, folder: Path, url: str, **settings: Mapping[str, object]) -> None:
        self.listener = free_port()
        (folder / "secret").write_text(f"{MARK}-webhook-secret\n")
        super().__init__(
            folder,
            url,
            KEY,
            tap={"listen": f"127.0.0.1:{self.listener}"},
            webhook={"secret_file": str(folder / "secret")},
            **settings,
        )


@contextmanager
def tapped(folder: Path, **settings: Mapping[str, object]) -> Iterator[Tapped]:
    """The process, and a gateway for it, while the block runs."""
    simulator = Simulator(quiet(rpm_limit=0))
    simulator.world.keys[0].secret = KEY
    with served(simulator) as url:
        process = Tapped(folder, url, **settings)
        process.start()
        try:
            process.address()
            yield process
        finally:
            process.kill()


def test_no_key_that_is_reported_or_delivered_is_found_anywhere(
    trials: Trials, tmp_path: Path
) -> None:
    row = trials.row(
        "Secrets",
        "datagrams that hold a marked key whole, signed and forged deliveries that hold it",
        "No part of a key or of the webhook's secret in logs, pages, `/metrics`, OTLP requests, "
        "the state file.",
        "{bytes} bytes searched, found {found} times",
    )
    with Receiver() as receiver:
        receiver.keep = True
        settings = {"otlp": {"endpoint": receiver.url}, "log": {"level": "debug"}}
        with tapped(tmp_path, **settings) as process:
            _report_whole_keys(process.listener)
            secret_words = [MARK, *_deliver(process.address())]
            os.kill(process.pid, signal.SIGHUP)
            time.sleep(0.5)
            pages = [
                httpx.get(f"http://{process.address()}{page}", trust_env=False).content
                for page in ("/", "/metrics", "/readyz", "/livez", PATH)
            ]
            assert process.end() == 0
            texts = [process.output().encode(), *pages, *receiver.bodies, *process.stored()]
    found = sum(word.encode() in text for text in texts for word in secret_words)
    saw(row, bytes=sum(map(len, texts)), found=found)
    assert "Configuration reloaded" in process.output()
    assert b"sk-byts-\xe2\x80\xa69f3c" in b"".join(pages)
    assert receiver.bodies
    assert not found


def _report_whole_keys(port: int) -> None:
    whole = [
        {"key": KEY, "status": 200},
        {"key": "sk-byts-…9f3c", "status": 200},
        {"key": "sk-byts-…9f3c", "status": 200, "model": KEY},
        {"key": "sk-byts-…9f3c", "status": 200, "x-ratelimit-limit": KEY},
        {"key": "sk-byts-…9f3c", "status": 200, "source": KEY},
        {KEY: 1},
    ]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for told in (*map(json.dumps, whole), KEY):
            for line in (told, f"<190>{KEY}: {told}"):
                sender.sendto(line.encode(), ("127.0.0.1", port))


def _deliver(address: str) -> list[str]:
    """Deliver what is signed well and badly; gives the digits of the signatures."""
    secret = f"{MARK}-webhook-secret"
    body, no_event = event(note=KEY), secret.encode()
    right, wrong = signature(body, secret), signature(body, KEY)
    for sent, signed, status in (
        (body, right, 204),
        (body, wrong, 401),
        (body, KEY, 401),
        (body, "", 401),
        (body[:-1], right, 401),
        (no_event, signature(no_event, secret), 400),
    ):
        headers = {HEADER: signed}
        url = f"http://{address}{PATH}"
        answer = httpx.post(url, content=sent, headers=headers, trust_env=False)
        assert answer.status_code == status
    return [signed.removeprefix("sha256=") for signed in (right, wrong)]

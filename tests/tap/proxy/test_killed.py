"""The daemon is killed while it proxies: what an application sees, and how its next call works."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.e2e.daemon import Daemon
from tests.e2e.gateway import Gateway
from tests.peers.fixtures import StartPeer
from tests.peers.process import free_port, until

MODEL = "gpt-5-4"
SLOW = 0.05
"""Seconds between two tokens."""


class Application:
    """Knows a base URL and a key, and nothing of the exporter."""

    def __init__(self, port: int, key: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self._headers = {"authorization": f"Bearer {key}"}

    def ask(self) -> http.client.HTTPResponse:
        """Begin a streamed call."""
        messages = [{"role": "user", "content": "Count."}]
        wish = {"model": MODEL, "messages": messages, "stream": True}
        self.connection.close()
        self.connection.request("POST", "/v1/chat/completions", json.dumps(wish), self._headers)
        return self.connection.getresponse()


@contextmanager
def application(port: int, gateway: Gateway) -> Iterator[Application]:
    calls = Application(port, gateway.key)
    with closing(calls.connection):
        yield calls


@pytest.fixture
def gateway(start_peer: StartPeer, tmp_path: Path) -> Gateway:
    return start_peer(Gateway(tmp_path / "gateway", token_seconds=SLOW, answer_tokens=40))


def running(start_peer: StartPeer, folder: Path, gateway: Gateway, port: int) -> Daemon:
    settings = {"tap": {"proxy": {"listen": f"127.0.0.1:{port}"}}}
    return start_peer(Daemon(folder, gateway, settings))


def test_a_killed_daemon_breaks_streams_visibly_and_the_next_one_serves_at_once(
    start_peer: StartPeer, tmp_path: Path, gateway: Gateway
) -> None:
    port = free_port()
    daemon = running(start_peer, tmp_path / "daemon", gateway, port)
    with application(port, gateway) as calls:
        answer = calls.ask()
        assert answer.status == 200
        assert answer.readline().startswith(b"data: ")
        until(lambda: gateway.truth().in_flight == 1, "the call")
        daemon.kill()
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            answer.read()
        until(lambda: gateway.truth().in_flight == 0, "the call to be given up")
        assert gateway.truth().rows == 0  # a call that was given up is not billed
        with pytest.raises(ConnectionRefusedError):
            calls.ask()
        daemon.start()
        assert calls.ask().read().endswith(b"data: [DONE]\n\n")
        until(lambda: "bytespike_tap_responses_total" in daemon.metrics(), "what was seen of it")


def test_a_daemon_that_is_told_to_end_lets_a_stream_end_first(
    start_peer: StartPeer, tmp_path: Path, gateway: Gateway
) -> None:
    port = free_port()
    daemon = running(start_peer, tmp_path / "daemon", gateway, port)
    with application(port, gateway) as calls:
        answer = calls.ask()
        assert answer.readline().startswith(b"data: ")
        daemon.stop()
        assert daemon.exit_code == 0
        assert answer.read().endswith(b"data: [DONE]\n\n")

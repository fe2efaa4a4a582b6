"""The process with the proxy is killed: what an application sees, and how its next call works."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Event, Thread

import pytest

from tests.peers.process import free_port

ROOT = Path(__file__).resolve().parents[3]


class Endless(ThreadingTCPServer):
    """A gateway that streams until it is told to finish."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Streaming)
        self.finish = Event()
        self.cancelled = Event()


class _Streaming(StreamRequestHandler):
    server: Endless

    def handle(self) -> None:
        while self.rfile.readline() not in (b"\r\n", b""):
            pass
        self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while not self.server.finish.wait(0.01):
                self.wfile.write(b"3\r\nabc\r\n")
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.server.cancelled.set()


@contextmanager
def gateway() -> Iterator[Endless]:
    with Endless() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.finish.set()
            server.shutdown()
            thread.join()


@contextmanager
def proxy(port: int, url: str) -> Iterator[subprocess.Popen[str]]:
    command = (sys.executable, "-m", "benchmarks.front", f"127.0.0.1:{port}", url)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == f"127.0.0.1:{port}\n"
            yield process
        finally:
            process.kill()


def test_a_killed_proxy_breaks_streams_visibly_and_the_next_one_serves_at_once() -> None:
    port = free_port()
    with gateway() as server:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        with proxy(port, url) as process:
            call = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            call.request("GET", "/")
            answer = call.getresponse()
            assert answer.read(3) == b"abc"
            os.kill(process.pid, signal.SIGKILL)
            with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
                answer.read()
            assert server.cancelled.wait(10)  # the gateway stops working, and billing
            call.close()
            with pytest.raises(ConnectionRefusedError):
                call.request("GET", "/")
            call.close()
        server.finish.set()
        with proxy(port, url):
            call.request("GET", "/")
            assert call.getresponse().status == 200
            call.close()


def test_a_proxy_that_is_told_to_end_lets_a_stream_end_first() -> None:
    port = free_port()
    with gateway() as server:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        with proxy(port, url) as process:
            call = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            call.request("GET", "/")
            answer = call.getresponse()
            assert answer.read(3) == b"abc"
            process.terminate()
            server.finish.set()
            assert set(answer.read()) <= set(b"abc")
            assert process.wait(10) == 0
            call.close()

"""The exporter as a process that is killed, and a receiver that looks at all that it sends."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self, TypeVar

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from bytespike_simulator import Simulator, running
from tests.reliability.watch import Watch

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
VARIABLE = "GATEWAY_KEY"


class Receiver:
    """An OTLP/HTTP receiver whose `watch` sees every request that arrives whole.

    `before_answer` is called when a request was looked at and is not answered yet: what is killed
    then never knows that it arrived. Where `status` is not 200, it refuses and tells all the
    headers that came, a token among them.
    """

    def __init__(self) -> None:
        self.watch = Watch()
        self.bodies: list[bytes] = []
        self.headers: list[str] = []
        self.before_answer: Callable[[], None] = lambda: None
        self.keep = False
        self.status = 200
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """Its `otlp.endpoint`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def take(self, raw: bytes, headers: str) -> None:
        """Look at one request, decompressed or not."""
        try:
            body = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
            request = ExportMetricsServiceRequest.FromString(body)
        except (OSError, EOFError, zlib.error, DecodeError):
            return  # cut off by a kill: no receiver would take it
        with self._lock:
            self.watch.take(request)
            if self.keep:
                self.bodies.append(body)
                self.headers.append(headers)
        self.before_answer()

    def see(self, look: Callable[[Watch], T]) -> T:
        """What `look` makes of all that has arrived, while nothing else arrives."""
        with self._lock:
            return look(self.watch)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            raw = self.rfile.read(length)
            if len(raw) < length:
                return
            receiver.take(raw, str(self.headers))
            try:
                self._answer(receiver.status)
            except OSError:  # it was killed
                self.close_connection = True

        def _answer(self, status: int) -> None:
            told = "" if status == 200 else " ".join(f"{n}: {v}" for n, v in self.headers.items())
            self.send_response(status, told or None)
            self.send_header("Content-Type", "text/plain" if told else "application/x-protobuf")
            self.send_header("Content-Length", str(len(told)))
            if told:
                self.send_header("Location", f"/{told.replace(' ', '')}")
                self.send_header("X-Echo", told)
            self.end_headers()
            self.wfile.write(told.encode())

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:  # likewise
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@contextmanager
def served(simulator: Simulator) -> Iterator[str]:
    """The simulator on loopback, in a thread and an event loop of its own; gives its URL."""
    told: list[str] = []
    ready, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        async with running(simulator) as url:
            told.append(url)
            ready.set()
            while not stop.is_set():  # noqa: ASYNC110 (it is set by another thread)
                await asyncio.sleep(0.02)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    try:
        assert ready.wait(10)
        yield told[0]
    finally:
        stop.set()
        thread.join(10)


class Process:
    """One exporter in `folder`; the settings are merged over those of one in a hurry."""

    def __init__(self, folder: Path, url: str, key: str, **settings: object) -> None:
        self.folder = folder
        self.log = folder / "output.log"
        self._key = key
        whole: dict[str, object] = {
            "gateway": {"base_url": url, "timeout": "2s", "max_requests_per_minute": 6000},
            "accounts": [{"name": "prod", "api_key_env": VARIABLE}],
            "poll": {"account": "150ms", "usage": "150ms", "transactions": "150ms"},
            "usage": {"start": "-2h", "settle_window": "1h"},
            "otlp": {"endpoint": "", "interval": "150ms", "timeout": "2s"},
            "state": {"path": str(folder / "state.db")},
            "http": {"listen": "127.0.0.1:0"},
        }
        for name, value in settings.items():
            before = whole.get(name)
            both = isinstance(before, dict) and isinstance(value, Mapping)
            whole[name] = {**before, **value} if both else value  # type: ignore[dict-item]
        self.config = folder / "config.yaml"
        self.config.write_text(json.dumps(whole), encoding="utf-8")  # JSON is YAML
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it; its log goes on in the same file."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "exporter", "run", "--config", str(self.config)],
                cwd=self.folder,
                env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), VARIABLE: self._key},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """SIGKILL: it ends in the middle of whatever it does. Nothing if it has ended."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def end(self) -> int:
        """SIGTERM; gives its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(15)

    def running(self) -> bool:
        """Whether it has not ended by itself."""
        return self._process is not None and self._process.poll() is None

    def address(self) -> str:
        """`host:port` of its status page, once it serves one."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.running():
            _, found, rest = self.output().partition("status page at http://")
            if found:
                return rest.partition("/")[0]
            time.sleep(0.05)
        raise AssertionError(f"no status page: {self.output()[-2000:]}")

    def output(self) -> str:
        """All that it has logged."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

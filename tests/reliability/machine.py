"""The exporter as a process that is killed, and a receiver that looks at all that it sends."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self, TypeVar

from bytespike_simulator import Simulator, running
from tests.otlp.receivers import HttpReceiver, Reply
from tests.reliability.watch import Watch

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
VARIABLE = "GATEWAY_KEY"
MARK = "MARKED0fPriceless"
"""Part of every key that nothing may show."""


class Receiver(HttpReceiver):
    """An OTLP/HTTP receiver whose `watch` sees every request that arrives whole.

    `before_answer` is called when a request was looked at and is not answered yet: what is killed
    then never knows that it arrived. Where `status` is not 200, it refuses and tells all the
    headers that came, a token among them. With `keep`, bodies and headers are kept.
    """

    def __init__(self) -> None:
        super().__init__()
        self.watch = Watch()
        self.bodies: list[bytes] = []
        self.headers: list[str] = []
        self.before_answer: Callable[[], None] = lambda: None
        self.keep = False
        self.status = 200
        self._lock = threading.Lock()
        # A request that a kill cuts off is none, and whoever was killed reads no answer.
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]

    @property
    def url(self) -> str:
        """Its `otlp.endpoint`."""
        return super().url.removesuffix("/v1/metrics")

    def __enter__(self) -> Self:
        super().__enter__()
        return self

    def next(self) -> Reply:
        """Look at the request that has just arrived; gives its answer."""
        with self._lock:
            arrived = self.received.pop()
            self.watch.take(arrived.request)
            told = " ".join(f"{name}: {value}" for name, value in arrived.headers.items())
            if self.keep:
                self.bodies.append(arrived.request.SerializeToString())
                self.headers.append(told)
        self.before_answer()
        if self.status == 200:
            return Reply()
        echo = {"Location": f"/{told.replace(' ', '')}", "X-Echo": told}
        return Reply(self.status, told.encode(), "text/plain", echo)

    def see(self, look: Callable[[Watch], T]) -> T:
        """What `look` makes of all that has arrived, while nothing else arrives."""
        with self._lock:
            return look(self.watch)


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

    def resident(self) -> tuple[int, int]:
        """Its memory now, and the most there ever was, in KiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines())
        return int(fields["VmRSS"].split()[0]), int(fields["VmHWM"].split()[0])

    def state(self) -> list[bytes]:
        """The state file and its write-ahead log, as they are on the disk now."""
        return [path.read_bytes() for path in self.folder.glob("state.db*")]

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

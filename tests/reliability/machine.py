"""The exporter as a process that is killed, and a receiver that looks at all that it sends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

from bytespike_simulator import Simulator, running
from tests.e2e.daemon import Daemon
from tests.http import Reply
from tests.otlp.receivers import HttpReceiver
from tests.reliability.watch import Watch

T = TypeVar("T")

MARK = "MARKED0fPriceless"
"""Part of every key that nothing may show."""


HURRY: Mapping[str, Mapping[str, object]] = {
    "gateway": {"timeout": "2s"},
    "poll": {"account": "150ms", "usage": "150ms", "transactions": "150ms"},
    "usage": {"start": "-2h", "settle_window": "1h"},
    "otlp": {"interval": "150ms", "timeout": "2s"},
}


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


class _Gateway(NamedTuple):
    """For e2e's daemon."""

    url: str
    key: str


class Process(Daemon):
    """An exporter in a greater hurry, of which nothing is awaited: it is killed at any moment."""

    def __init__(self, folder: Path, url: str, key: str, **settings: Mapping[str, object]) -> None:
        merged = {name: {**HURRY.get(name, {}), **settings.get(name, {})} for name in HURRY}
        super().__init__(folder, _Gateway(url, key), {**settings, **merged})

    def started(self) -> None:
        """Wait for nothing."""

    def start(self) -> None:
        """Start it, for the first time or again."""
        if self.log.exists():
            super().start()
        else:
            self.__enter__()

    @property
    def pid(self) -> int:
        """Of the running process."""
        return self._process.pid

    def end(self) -> int:
        """SIGTERM; gives its exit code."""
        self._process.terminate()
        return self._process.wait(15)

    def running(self) -> bool:
        """Whether it has not ended by itself."""
        return self.exit_code is None

    def resident(self) -> tuple[int, int]:
        """Its memory now, and the most there ever was, in KiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines())
        return int(fields["VmRSS"].split()[0]), int(fields["VmHWM"].split()[0])

    def stored(self) -> list[bytes]:
        """The state file and its write-ahead log, as they are on the disk now."""
        return [path.read_bytes() for path in self.folder.glob("state.db*")]

    def address(self) -> str:
        """`host:port` of its status page, once it serves one."""
        super().started()
        return self.url.removeprefix("http://")

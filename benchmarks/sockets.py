"""Plain sockets, so that what measures costs little beside what is measured."""

from __future__ import annotations

import asyncio
import resource
import socket
import time
from contextlib import suppress
from typing import Final

from benchmarks.processes import Child

KEY: Final = "sk-byts-0123456789ab9f3c"
"""Opens nothing."""

_START_SECONDS = 10.0
_FILES = 4096


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(port: int, child: Child) -> None:
    """Until somebody listens. Raises RuntimeError, TimeoutError."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        with suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        child.check()
        if time.monotonic() > deadline:
            raise TimeoutError("a child does not listen")
        time.sleep(0.02)


class Caller:
    """Makes one call after the other on one connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = request("/v1/small", port)

    def call(self) -> float:
        """Seconds from sending a request to having its answer."""
        began = time.perf_counter()
        self._socket.sendall(self._request)
        answer = self._socket.recv(65_536)
        while not answer.endswith(b"]}"):
            more = self._socket.recv(65_536)
            if not more:
                raise RuntimeError(f"no answer: {answer[:100]!r}")
            answer += more
        return time.perf_counter() - began

    def stream(self, count: int, milliseconds: int, port: int) -> list[float]:
        """Seconds that each of so many events took from the gateway to here."""
        self._socket.sendall(request(f"/stream/{count}/{milliseconds}", port))
        rest, took = b"", list[float]()
        while not rest.endswith(b"\r\n0\r\n\r\n"):
            rest += self._socket.recv(65_536)
            now = time.monotonic_ns()
            *lines, rest = rest.rsplit(b"\n\n", 1) if b"\n\n" in rest else (rest,)
            for event in b"".join(lines).split(b'"sent":')[1:]:
                took.append((now - int(event.partition(b"}")[0])) / 1e9)
        return took

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def request(path: str, port: int) -> bytes:
    """A request with a key."""
    lines = (f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Authorization: Bearer {KEY}")
    return "\r\n".join((*lines, "", "")).encode()


async def hold_streams(port: int, count: int, pause: int, seconds: float) -> int:
    """Read so many endless streams at once for so many seconds; returns how many gave events."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, _FILES)), hard))
    ask = request(f"/stream/1000000/{pause}", port)
    streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(count)]
    alive = 0

    async def read(reader: asyncio.StreamReader) -> None:
        nonlocal alive
        await reader.readuntil(b'"sent"')
        alive += 1
        while await reader.read(65_536):
            pass

    for _, writer in streams:
        writer.write(ask)
    tasks = [asyncio.create_task(read(reader)) for reader, _ in streams]
    await asyncio.wait(tasks, timeout=seconds)
    running = sum(not task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for _, writer in streams:
        writer.transport.abort()
    await asyncio.gather(*(w.wait_closed() for _, w in streams), return_exceptions=True)
    return min(alive, running)

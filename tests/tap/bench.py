"""A running listener, and what came of it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from exporter.clock import Clock
from exporter.config.types import Listen
from exporter.gateway.readings import Observation
from exporter.tap.listener import Listener
from exporter.traffic import TapOutcome, TapStatus
from tests.clock import VirtualClock

LOOPBACK = Listen("127.0.0.1", 0)


class Bench:
    """A running listener, what it took, and a socket to send from."""

    def __init__(self, listen: Listen, clock: Clock) -> None:
        self.taken: list[Observation] = []
        self.take: Callable[[Observation], None] = self.taken.append
        self.status = TapStatus()
        self.listener = Listener(listen, self._take, self.status, clock)
        family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
        self._sender = socket.socket(family, socket.SOCK_DGRAM)

    def _take(self, seen: Observation) -> None:
        self.take(seen)

    def send(self, *datagrams: bytes) -> None:
        host, port = self.listener.address.rsplit(":", 1)
        for datagram in datagrams:
            self._sender.sendto(datagram, (host.strip("[]"), int(port)))

    def counted(self, outcome: TapOutcome) -> int:
        return sum(n for (_, what), n in self.status.observations.items() if what is outcome)

    def has_counted(self, outcome: TapOutcome, count: int) -> bool:
        return self.counted(outcome) == count

    def has_taken(self, count: int) -> bool:
        return len(self.taken) == count

    def close(self) -> None:
        self._sender.close()


@asynccontextmanager
async def running(listen: Listen = LOOPBACK, clock: Clock | None = None) -> AsyncIterator[Bench]:
    bench = Bench(listen, clock or VirtualClock())
    try:
        await bench.listener.start()
        yield bench
    finally:
        await bench.listener.stop()
        bench.close()

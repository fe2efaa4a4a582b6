"""The body of `/metrics`, made once for all who ask within a second."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable

from exporter import threads
from exporter.metrics import prometheus
from exporter.metrics.points import Snapshot

SHARED_SECONDS = 1.0
"""How long a finished body is given to whoever asks."""

_LEVEL = 4
"""Of gzip: text that repeats itself so much gains little from a higher one."""


class Exposition:
    """Takes snapshots, and renders them in a thread so that polls keep their rhythm."""

    def __init__(self, take: Callable[[], Awaitable[Snapshot]]) -> None:
        self._take = take
        self._bodies: dict[tuple[bool, bool], asyncio.Task[bytes]] = {}

    async def body(self, openmetrics: bool, compressed: bool) -> bytes:
        """The newest body in this format; `compressed` by gzip."""
        form = (openmetrics, compressed)
        if form not in self._bodies:
            task = asyncio.create_task(self._make(openmetrics, compressed))
            task.add_done_callback(lambda _: self._forget_soon(form))
            self._bodies[form] = task
        # One who hangs up must not take the body away from the others.
        return await asyncio.shield(self._bodies[form])

    async def _make(self, openmetrics: bool, compressed: bool) -> bytes:
        snapshot = await self._take()

        def render() -> bytes:
            body = prometheus.render(snapshot, openmetrics, process=True)
            return gzip.compress(body, _LEVEL, mtime=0) if compressed else body

        return await threads.call(render)

    def _forget_soon(self, form: tuple[bool, bool]) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(SHARED_SECONDS, self._bodies.pop, form, None)

"""Everything of the daemon that listens: opened, moved and closed together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from exporter.config.types import Config, Listen
from exporter.errors import ListenError

logger = logging.getLogger(__name__)


class Listening(Protocol):
    """A listener on one address."""

    @property
    def address(self) -> str:
        """`host:port` as bound."""

    async def start(self) -> None:
        """Bind and serve. Raises ListenError."""

    async def stop(self) -> None:
        """Give the address up at once, then end what is under way, close. May be repeated."""


Make = Callable[[Listen], Listening]

PLACES: Mapping[str, Callable[[Config], Listen | None]] = {
    "http.listen": lambda config: config.http.listen,
    "tap.listen": lambda config: config.tap.listen,
}
"""Where the configuration says on which address each listener is; None where it is off."""


class Listeners:
    """The listeners of one daemon, by the key path of their address."""

    def __init__(self, makers: Mapping[str, Make]) -> None:
        """`makers` makes each kind of listener for an address."""
        self._makers = makers
        self._open: dict[str, tuple[Listen, Listening]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def at(self, path: str) -> Listening | None:
        """The listener that is open, None where there is none."""
        found = self._open.get(path)
        return found[1] if found is not None else None

    async def open(self, config: Config) -> None:
        """Open every listener of the configuration. Raises ListenError; some may be open then."""
        for path in self._makers:
            await self._start(path, PLACES[path](config))

    async def change(self, config: Config) -> None:
        """Move each listener whose address changed; back where the new one cannot be had.

        What is under way at the old address ends by itself: nobody waits for it meanwhile.
        """
        for path in self._makers:
            before, listen = self._open.get(path), PLACES[path](config)
            old = before[0] if before is not None else None
            if listen == old:
                continue
            if before is not None:
                del self._open[path]
                await self._shut(before[1])
            try:
                await self._start(path, listen)
            except ListenError as error:
                logger.error("%s stays as it was: %s", path, error)
                await self._go_back(path, old)

    async def close(self) -> None:
        """Close every listener."""
        listeners = [listener for _, listener in self._open.values()]
        self._open.clear()
        await asyncio.gather(*self._closing, *(listener.stop() for listener in listeners))

    async def _shut(self, listener: Listening) -> None:
        """Return once the address is free; what is under way there may take its time."""
        stopping = asyncio.create_task(listener.stop())
        self._closing.add(stopping)
        stopping.add_done_callback(self._closing.discard)
        await asyncio.sleep(0)

    async def _go_back(self, path: str, old: Listen | None) -> None:
        try:
            await self._start(path, old)
        except ListenError as error:
            logger.error("%s is closed, and SIGHUP opens it again: %s", path, error)

    async def _start(self, path: str, listen: Listen | None) -> None:
        if listen is None:
            return
        listener = self._makers[path](listen)
        await listener.start()
        self._open[path] = (listen, listener)

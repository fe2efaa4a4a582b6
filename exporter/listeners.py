"""Everything of the daemon that listens, by the key path of its address."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Protocol

from exporter.config.types import Config, Listen
from exporter.errors import ListenError

logger = logging.getLogger(__name__)


class Listening(Protocol):
    @property
    def address(self) -> str:
        """`host:port` as bound."""

    async def start(self) -> None:
        """Bind and serve. Raises ListenError."""

    async def stop(self) -> None:
        """End what is under way within a second, and close."""


class Listeners:
    """Opens, moves and closes the listeners of one daemon.

    The key paths are those of the configuration, `http.listen` for instance. Where the
    configuration has no address, the listener is off.
    """

    def __init__(self, makers: Mapping[str, Callable[[Listen], Listening]]) -> None:
        """`makers`: what makes the listener for an address, by key path."""
        self._makers = makers
        self._open: dict[str, tuple[Listen, Listening]] = {}

    def address(self, path: str) -> str | None:
        """`host:port` as bound, None where the listener is off."""
        found = self._open.get(path)
        return found[1].address if found is not None else None

    async def open(self, config: Config) -> None:
        """Open every listener of the configuration. Raises ListenError; some may be open then."""
        for path in self._makers:
            await self._start(path, attrgetter(path)(config))

    async def change(self, config: Config) -> None:
        """Move each listener whose address changed; back where the new one cannot be had."""
        for path in self._makers:
            listen: Listen | None = attrgetter(path)(config)
            old, listener = self._open.get(path, (None, None))
            if listen == old:
                continue
            if listener is not None:
                del self._open[path]
                await listener.stop()
            try:
                await self._start(path, listen)
            except ListenError as error:
                logger.error("%s stays as it was: %s", path, error)
                try:
                    await self._start(path, old)
                except ListenError as failure:
                    logger.error("%s is closed, and SIGHUP opens it again: %s", path, failure)

    async def close(self) -> None:
        listeners = [listener for _, listener in self._open.values()]
        self._open.clear()
        await asyncio.gather(*(listener.stop() for listener in listeners))

    async def _start(self, path: str, listen: Listen | None) -> None:
        if listen is not None:
            listener = self._makers[path](listen)
            await listener.start()
            self._open[path] = (listen, listener)

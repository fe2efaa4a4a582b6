"""The one way onto a thread, for calls that may hang: on a disk, or in a dead network.

Threads are daemons: one that hangs holds up neither its caller nor the end of the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

from exporter.errors import StateError

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE = 30.0
"""Seconds without any progress after which the state file counts as hanging."""


async def call(function: Callable[[], T]) -> T:
    """What `function` returns or raises, called in a thread of its own.

    A caller that is cancelled leaves the thread to itself.
    """
    future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    threading.Thread(target=_run, args=(function, future), daemon=True).start()
    return await future


def _run(function: Callable[[], T], future: asyncio.Future[T]) -> None:
    """Call the function here, and hand its outcome to the loop of the future."""

    def settle(set_outcome: Callable[[Any], None], outcome: object) -> None:
        if not future.done():
            set_outcome(outcome)

    try:
        outcome: object = function()
        set_outcome: Callable[[Any], None] = future.set_result
    except BaseException as error:  # handed to the caller, whatever it is
        outcome, set_outcome = error, future.set_exception
    with contextlib.suppress(RuntimeError):  # the loop has ended and nobody waits
        future.get_loop().call_soon_threadsafe(settle, set_outcome, outcome)


class Worker:
    """One thread for all calls of the ledger, made one at a time and in order.

    Callers do not wait for ever for a disk that hangs. A call that was given up may still be made
    later: what was counted once is not counted again.
    """

    def __init__(self, patience: float) -> None:
        """`patience` in seconds without any progress."""
        self._patience = patience
        self._ended = 0
        self.calls: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        threading.Thread(target=self._work, name="ledger", daemon=True).start()

    async def do(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What the function returns or raises; StateError where no call ends for too long.

        A caller that is cancelled does not undo a call that was begun.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def begin() -> None:
            if not future.done():
                _run(lambda: function(*args, **kwargs), future)

        self.calls.put(begin)
        ended = -1
        try:
            while not future.done():
                if ended == self._ended:
                    waited = f"{self._patience:g} s"
                    raise StateError(
                        f"the state file has not answered for {waited}: check the disk"
                    )
                ended = self._ended
                await asyncio.wait({future}, timeout=self._patience)
            return future.result()
        finally:
            future.cancel()

    def close(self) -> None:
        """Take no further calls. Does not wait for one that hangs."""
        self.calls.put(None)

    def _work(self) -> None:
        while (begin := self.calls.get()) is not None:
            begin()
            self._ended += 1

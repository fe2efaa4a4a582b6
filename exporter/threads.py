"""Blocking calls that may hang, made so that they hold up neither their callers nor the end."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from exporter.errors import StateError
from exporter.ledger.worker import Worker

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE = 30.0
"""Seconds without any progress after which the state file counts as hanging."""


async def call(function: Callable[[], T]) -> T:
    """What `function` returns or raises, called in a daemon thread of its own.

    A caller that is cancelled leaves the thread to itself.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # None only where T is

    def work() -> None:
        result, problem = None, None
        try:
            result = function()
        except BaseException as error:  # handed to the caller, whatever it is
            problem = error
        with contextlib.suppress(RuntimeError):  # the loop has ended and nobody waits
            loop.call_soon_threadsafe(settle, result, problem)

    threading.Thread(target=work, daemon=True).start()
    return await future


class PatientWorker:
    """A worker whose callers do not wait for ever for a disk that hangs.

    A call that was given up may still be made later. All calls of the ledger allow that: what
    was counted once is not counted again.
    """

    def __init__(self, worker: Worker, patience: float) -> None:
        """`patience` in seconds without any progress."""
        self._worker = worker
        self._patience = patience
        self._ended = 0

    async def do(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What the function returns or raises; StateError where no call ends for too long."""
        task = asyncio.ensure_future(self._worker.do(function, *args, **kwargs))
        ended = -1
        try:
            while not task.done():
                if ended == self._ended:
                    waited = f"{self._patience:g} s"
                    raise StateError(
                        f"the state file has not answered for {waited}: check the disk"
                    )
                ended = self._ended
                await asyncio.wait({task}, timeout=self._patience)
            self._ended += 1
            return task.result()
        finally:
            task.cancel()

"""Blocking calls that may hang, made in threads that cannot hold up the end of the process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


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
        try:
            loop.call_soon_threadsafe(settle, result, problem)
        except RuntimeError:
            pass  # the loop has ended and nobody waits

    threading.Thread(target=work, daemon=True).start()
    return await future

"""Calls that may hang hold up neither their callers nor anybody else."""

from __future__ import annotations

import asyncio
import threading

import pytest

from exporter import threads
from exporter.threads import Worker

pytestmark = pytest.mark.anyio


def fail() -> None:
    raise LookupError("of the function")


async def test_a_call_and_a_worker_give_what_the_function_returns_or_raises() -> None:
    assert await threads.call(lambda: 7) == 7
    assert await Worker(5.0).do(max, 1, 2) == 2
    for call in (threads.call(fail), Worker(5.0).do(fail)):
        with pytest.raises(LookupError):
            await call


async def test_a_call_that_is_given_up_leaves_its_thread_to_itself() -> None:
    hang = threading.Event()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(threads.call(hang.wait), 0.05)
    hang.set()
    assert await threads.call(lambda: "others go on") == "others go on"


async def test_a_worker_that_is_only_busy_is_waited_for() -> None:
    pause = threading.Event()
    worker = Worker(0.3)
    calls = [asyncio.create_task(worker.do(pause.wait, 0.1)) for _ in range(8)]
    assert await asyncio.gather(*calls) == [False] * 8


async def test_what_was_given_up_while_it_waited_is_never_called() -> None:
    hang = threading.Event()
    called: list[str] = []
    worker = Worker(5.0)
    first = asyncio.create_task(worker.do(hang.wait))
    await asyncio.sleep(0.02)
    second = asyncio.create_task(worker.do(called.append, "second"))
    await asyncio.sleep(0.02)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    hang.set()
    await first
    await worker.do(called.append, "third")
    assert called == ["third"]

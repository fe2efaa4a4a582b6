"""What the benchmark of the proxy measures with, against the gateway that it measures with."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.environment import ROOT
from benchmarks.nginx import PROGRAM, Nginx
from benchmarks.processes import Child
from benchmarks.sockets import Caller, free_port, hold_streams, wait_for_port

EVENTS = 7


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    command = [sys.executable, "-m", "benchmarks.streamer"]
    with Child(command, {"PYTHONPATH": str(ROOT)}, tmp_path / "log") as child:
        yield int(child.output.readline())


def test_calls_and_streams_follow_each_other_on_one_connection(port: int) -> None:
    caller = Caller(port)
    for _ in range(2):
        assert caller.call() > 0.0
        took = caller.stream(EVENTS, 1, port)
        assert len(took) == EVENTS
        assert all(seconds >= 0.0 for seconds in took)
    caller.close()


@pytest.mark.anyio
async def test_streams_that_gave_events_are_counted(port: int) -> None:
    assert await hold_streams(port, count=3, pause=1, seconds=1.0) == 3


@pytest.mark.skipif(PROGRAM is None, reason="needs nginx")
def test_nginx_passes_the_same_calls_and_streams(port: int, tmp_path: Path) -> None:
    core = min(os.sched_getaffinity(0))
    nginx = Nginx(tmp_path / "nginx", port, core)
    with nginx.child:
        caller = Caller(nginx.port)
        assert caller.call() > 0.0
        assert len(caller.stream(EVENTS, 1, nginx.port)) == EVENTS
        caller.close()


def test_a_child_that_does_not_listen_is_noticed(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"]}
    with (
        Child(["false"], environ, tmp_path / "log") as child,
        pytest.raises(RuntimeError, match="a child ended"),
    ):
        wait_for_port(free_port(), child)

"""A scene for every test that asks for one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.daemon.fakes import Scene, scene
from tests.daemon.live import Live, daemon, gateway, polled, until


@pytest.fixture
def made(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """Counting starts now, or as long ago as `back` says."""
    with scene(tmp_path, back=getattr(request, "param", 0.0)) as made:
        yield made


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    """A gateway, and a daemon that is not started yet."""
    async with gateway(tmp_path) as live:
        yield live


@pytest.fixture
async def running(live: Live) -> AsyncIterator[Live]:
    """A daemon that has polled once."""
    async with daemon(live):
        await until(lambda: polled(live))
        yield live

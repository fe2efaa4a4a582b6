"""A scene in virtual time for every test that asks for one, and the tests that fail today."""

from __future__ import annotations

import logging
import random
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.second_gateway.scene import Scene, connect, end
from tests.second_gateway.virtual_time import VirtualLoop

HERE = Path(__file__).parent


def failing_today() -> Iterator[tuple[re.Pattern[str], str]]:
    """Patterns of test ids (`*` stands for anything) with the reason above them."""
    reason = ""
    for line in (HERE / "fails_today.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            reason = line.removeprefix("#").strip()
        elif line:
            yield re.compile(".*".join(map(re.escape, line.split("*")))), reason


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    known = list(failing_today())
    for item in items:
        if not item.path.is_relative_to(HERE):
            continue
        reasons = [why for which, why in known if which.fullmatch(item.name)]
        if reasons:
            item.add_marker(
                pytest.mark.xfail(strict=True, reason=reasons[0], raises=AssertionError)
            )


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": VirtualLoop}


@pytest.fixture
async def scene(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Scene]:
    caplog.set_level(logging.INFO, logger="exporter")
    made = Scene(tmp_path, caplog)
    connect(made, monkeypatch)
    before = random.getstate()
    random.seed(0)  # the jitter of the polls: a test ends each time as it did before
    yield made
    random.setstate(before)
    await end(made)

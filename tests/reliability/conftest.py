"""The fixture that writes rows of `docs/reliability.md`."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.reliability.trials import RECORD, Trials

_failed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[_failed] = item.stash.get(_failed, False) or report.failed
    return report


@pytest.fixture
def trials(request: pytest.FixtureRequest) -> Iterator[Trials]:
    """Where a test says what it tries; written to the file that `RELIABILITY_RECORD` names."""
    made = Trials(request.node.nodeid.partition("[")[0])
    yield made
    if path := os.environ.get(RECORD):
        made.write(Path(path), request.node.stash.get(_failed, True))

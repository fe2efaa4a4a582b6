"""Rows of `docs/reliability-table.md`: what a test tries, what was promised, what it saw."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from scripts.reliability import Row

RECORD = "RELIABILITY_RECORD"
"""The environment variable that names the file to which rows are added."""

SOAK = bool(os.environ.get("RELIABILITY_SOAK"))
"""Whether this is a long run: many more of everything."""


class Trials:
    """The rows of one test."""

    def __init__(self, test: str) -> None:
        self._test = test
        self._rows: list[Row] = []

    def row(self, part: str, fault: str, promised: str, seen: str) -> Row:
        """Begin a row before the fault is tried, so that a failure shows too.

        `part` is one of `scripts.reliability.PARTS`; `seen` names numbers in braces, which `saw`
        adds up, here and over all tests that write the same row.
        """
        row = Row(part, fault, promised, seen, 0, {}, self._test)
        self._rows.append(row)
        return row

    def write(self, path: Path, failed: bool) -> None:
        """Add the rows to a run's file."""
        with path.open("ab") as run:
            for row in self._rows:
                row.failed = int(failed)
                row.soak = SOAK
                row.on = datetime.now(UTC).date().isoformat()
                run.write(msgspec.json.encode(row) + b"\n")


def saw(row: Row, times: int = 1, **numbers: int) -> None:
    """The fault was tried so many times, and this was counted."""
    row.times += times
    for name, number in numbers.items():
        row.numbers[name] = row.numbers.get(name, 0) + number


_failed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep whether the test has failed."""
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

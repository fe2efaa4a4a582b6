"""Rows of `docs/reliability-table.md` for what the second gateway tries, one for each kind.

A pytest plugin (`-p tests.second_gateway.kinds`). A test is of the kind whose number stands in the
last line above it that begins with `# -- `.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.reliability.trials import RECORD, Trials, saw

PART = "A gateway written from the contract alone"
SEEN = "{passed} tests passed, {failed} failed, {known} known not to hold"

_HERE = Path(__file__).parent
_KIND = re.compile(r"# -- (\d+): ")


class Kind(NamedTuple):
    """What the gateway does, and what must hold then."""

    fault: str
    promised: str


_ONCE = "Counted whole and once, or usage is down and told."
_NOTHING_OLD = "What was there before counting began stays uncounted."
_FROM_THE_CHANGE = "Each wallet's spend counts for it alone, from the change on."

KINDS = {
    1: Kind("the first hour of a rollup: buckets missing, renamed, emptied", _NOTHING_OLD),
    2: Kind("counting begins within an hour", "The part after the start is counted or told."),
    3: Kind("buckets of one hour that miss or shrink", "None hides the growth of another."),
    4: Kind("movements in the second of the first start", "Those after it count, by their id."),
    5: Kind("movements that change, wait or fail", "Money once they are good, by the difference."),
    6: Kind("one answer that is far too high", "Not believed until a second reading agrees."),
    7: Kind("ranges that are refused or time out", "Shrunk until answered; the tail goes on."),
    8: Kind("rows that arrive while pages are read", _ONCE),
    9: Kind("rows of one second in any order", _ONCE),
    10: Kind("rollups that are cut, paged or huge", _ONCE),
    11: Kind("pages that are short, shifted, repeated or numbered from 0", _ONCE),
    12: Kind("days, zones and spellings of time", "Counted, or rejected and told."),
    13: Kind("another wallet behind a name", _FROM_THE_CHANGE),
    14: Kind("one wallet under two names", "Warned of by log and `check`; it says whose it is."),
    15: Kind("a host clock that is wrong or is set", "Nothing is lost or counted twice; told."),
    16: Kind("an instance id from the environment", "The ledger's own wins."),
    17: Kind("an older state file is put back", "No receiver counts anything twice."),
    18: Kind("runways after outages, late rows and starts", "By the time of the rows, or absent."),
    19: Kind("keys that an organization pays for", "Runway and drift are of the wallet that pays."),
    20: Kind("amounts below zero, at zero, unreadable", "Shown as they are; unreadable told once."),
    21: Kind("more rows than requests can read", "The newest first; how far it is, is told."),
    22: Kind("refusals in every documented shape", "Told for what they are; 402 is no outage."),
    23: Kind("addresses, spellings and wrapped answers", "Counted whole and once, or told."),
    24: Kind("keys by id, by mask, in full, or in no list", "One form and name; no key gets out."),
}

_kinds: dict[str, tuple[str, Kind]] = {}
_results: dict[tuple[str, Kind], Counter[str]] = {}


def kind_of(source: str, line: int) -> Kind | None:
    """The kind under which a line of a module stands; lines count from 0."""
    numbers = [_KIND.match(text) for text in source.splitlines()[:line]]
    found = [int(number[1]) for number in numbers if number]
    return KINDS[found[-1]] if found else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not item.path.is_relative_to(_HERE):
            continue
        line = item.location[1] or 0
        kind = kind_of(item.path.read_text(encoding="utf-8"), line)
        if kind is not None:
            _kinds[item.nodeid] = item.nodeid.partition("::")[0], kind


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count what a test came to."""
    if report.nodeid not in _kinds:
        return
    results = _results.setdefault(_kinds[report.nodeid], Counter())
    if report.failed:
        results["failed"] += 1
    elif report.when == "call" and hasattr(report, "wasxfail"):
        results["known"] += 1
    elif report.when == "call" and report.passed:
        results["passed"] += 1


def pytest_sessionfinish() -> None:
    """Write the rows of all kinds that were tried."""
    path = os.environ.get(RECORD)
    for (test, kind), results in _results.items() if path else ():
        trials = Trials(test)
        row = trials.row(PART, kind.fault, kind.promised, SEEN)
        counts = {name: results[name] for name in ("passed", "failed", "known")}
        saw(row, sum(counts.values()), **counts)
        trials.write(Path(path or ""), results["failed"] > 0)

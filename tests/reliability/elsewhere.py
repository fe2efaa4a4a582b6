"""Rows of `docs/reliability-table.md` for faults that other tests bring about.

A pytest plugin (`-p tests.reliability.elsewhere`), so that those tests need not know of the table.
Tried is how many tests there were; each of them fails if it sees anything else than promised.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.reliability.trials import RECORD, Trials, saw


class Watched(NamedTuple):
    """Tests whose id begins with `test`, and the row that they make together."""

    test: str
    part: str
    fault: str
    promised: str


WATCHED = (
    Watched(
        "tests/ledger/test_faults.py",
        "Crashes",
        "the process ends, or the disk fails, at each single statement of a commit",
        "A commit happened wholly or not at all, and the next poll counts what is missing, once.",
    ),
    Watched(
        "tests/ledger/test_recovery.py",
        "Crashes",
        "the process ends at each step of setting a damaged state file aside",
        "The next start knows that the state was lost, and counts no history again.",
    ),
    Watched(
        "tests/ledger/test_truth.py",
        "Crashes",
        "any order of bills, late rows, corrections, changes of shape, failures and crashes",
        "The ledger reaches the truth; no counter falls on the way.",
    ),
    Watched(
        "tests/ledger/test_absurd_sums.py",
        "Gateway faults",
        "rows and movements with which a total would no longer fit 64 bits",
        "Each costs itself alone, and is told once; all others count, in the same poll.",
    ),
    Watched(
        "tests/gateway/test_attempts.py",
        "Gateway faults",
        "every status, redirect, wait and network error, one request at a time",
        "Bounded attempts, waits as asked for; the poll ends as what it was.",
    ),
    Watched(
        "tests/gateway/test_paging.py",
        "Gateway faults",
        "lists that lie about their size, repeat, loop, grow while read or ignore the range",
        "No row is lost or counted twice, and every read comes to an end.",
    ),
    Watched(
        "tests/daemon/test_poller.py",
        "Gateway faults",
        "an endpoint fails, refuses the key, or asks to be left alone",
        "The others go on; a refused key is asked slowly, and its repair is noticed.",
    ),
    Watched(
        "tests/gateway/test_any_answer.py",
        "Fuzzing",
        "any body for every decoder",
        "Readings or our own error, never another exception.",
    ),
    Watched(
        "tests/config/test_any_text.py",
        "Fuzzing",
        "configuration files of any kind",
        "A configuration, or problems that name their key path and hold no secret.",
    ),
    Watched(
        "tests/tap/test_datagram.py",
        "Fuzzing",
        "any bytes as a datagram",
        "An observation within its bounds, or the project's own error.",
    ),
    Watched(
        "tests/otlp/test_http.py",
        "Receiver faults",
        "refusals, redirects, partial success, hang-ups, silence and nonsense over HTTP",
        "Only a 2xx that rejects nothing is success; the next export has what this one lost.",
    ),
    Watched(
        "tests/otlp/test_grpc.py",
        "Receiver faults",
        "refusals, partial success, hang-ups and silence over gRPC",
        "Only an answer that rejects nothing is success.",
    ),
    Watched(
        "tests/daemon/test_exports.py",
        "Receiver faults",
        "exports that fail, hang or take longer than their interval",
        "Polls go on, nothing piles up, and no growth is lost.",
    ),
    Watched(
        "tests/ledger/test_store.py",
        "State faults",
        "a file that is damaged, foreign, newer, held, read-only, full, or not there",
        "What docs/reliability.md says of each.",
    ),
    Watched(
        "tests/ledger/test_state_file_in_use.py",
        "State faults",
        "a file in use that is deleted, moved, replaced, put back or cut",
        "What docs/reliability.md says of each.",
    ),
    Watched(
        "tests/daemon/test_daemon.py::test_a_hanging_state_file_is_told_and_the_gauges_go_on",
        "State faults",
        "the disk hangs",
        "It counts as a state that cannot be written; polls and exports go on; it heals by itself.",
    ),
    Watched(
        "tests/gateway/test_secrecy.py",
        "Secrets",
        "the key in every field, header and exception that the gateway client meets",
        "It is in no reading, error, cause, traceback or local variable of one, and in no log.",
    ),
    Watched(
        "tests/web/test_server.py",
        "Secrets",
        "slow, silent, oversized, malformed, writing and too many requests to the status page",
        "Each is refused or cut off in bounded time; probes get through.",
    ),
    Watched(
        "tests/webhook/test_forgery.py",
        "The tap",
        "deliveries whose signature, body or time is forged",
        "Only the right signature over the very body is accepted, and once.",
    ),
    Watched(
        "tests/tap/test_nginx",
        "The tap",
        "nginx between application and gateway: streams, breaks, silence, a gateway that is away",
        "Everything passes as it is, each answer is reported, and no log holds a key.",
    ),
)
"""The tests elsewhere that have a row."""

_passed: Counter[Watched] = Counter()
_failed: Counter[Watched] = Counter()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count what a watched test came to."""
    for watched in WATCHED:
        if report.nodeid.startswith(watched.test):
            _failed[watched] += report.failed
            _passed[watched] += report.when == "call" and report.passed


def pytest_sessionfinish() -> None:
    """Write the rows of all watched tests that ran."""
    path = os.environ.get(RECORD)
    for watched in WATCHED if path else ():
        passed, failed = _passed[watched], _failed[watched]
        if passed or failed:
            trials = Trials(watched.test)
            seen = "{passed} tests passed, {failed} failed"
            row = trials.row(watched.part, watched.fault, watched.promised, seen)
            saw(row, passed + failed, passed=passed, failed=failed)
            trials.write(Path(path or ""), failed > 0)

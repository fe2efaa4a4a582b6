"""Fixtures that start the real peers, each fresh for its test, and show their logs on failure.

What takes no settings is there by name: `victoria_metrics`, `collector`, and the paths of
`promtool` and `amtool`. `start_peer` runs any other until the test ends:
`start_peer(Prometheus(tmp_path / "prometheus", targets=[url]))`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol, TypeVar

import pytest

from tests.peers.collector import Collector
from tests.peers.missing import AMTOOL, PROMTOOL, require
from tests.peers.process import Peer
from tests.peers.victoria_metrics import VictoriaMetrics

P = TypeVar("P", bound=Peer)

_STARTED = pytest.StashKey[list[Peer]]()


class StartPeer(Protocol):
    """Starts a peer and gives it back."""

    def __call__(self, peer: P, /) -> P: ...


@pytest.fixture
def start_peer(request: pytest.FixtureRequest) -> Iterator[StartPeer]:
    peers = request.node.stash.setdefault(_STARTED, [])
    with ExitStack() as running:

        def start(peer: P, /) -> P:
            peers.append(peer)
            running.enter_context(peer)
            return peer

        yield start


@pytest.fixture
def victoria_metrics(start_peer: StartPeer, tmp_path: Path) -> VictoriaMetrics:
    """A VictoriaMetrics with an empty store."""
    return start_peer(VictoriaMetrics(tmp_path / "victoria-metrics"))


@pytest.fixture
def collector(start_peer: StartPeer, tmp_path: Path) -> Collector:
    """An OpenTelemetry Collector that has received nothing."""
    return start_peer(Collector(tmp_path / "collector"))


@pytest.fixture
def promtool() -> Path:
    return require(PROMTOOL)


@pytest.fixture
def amtool() -> Path:
    return require(AMTOOL)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the logs of a failed test's peers into its report."""
    report = yield
    if report.failed:
        for peer in item.stash.get(_STARTED, []):
            if peer.log.exists():
                report.sections.append((f"log of {type(peer).__name__}", peer.output()[-8000:]))
    return report

"""A ledger on a new state file, and an exporter in miniature around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exporter.gateway.readings import UsageShape
from exporter.ledger.ledger import Ledger, Rules
from tests.ledger.exporter import Exporter
from tests.ledger.world import World

FIRST = 1_790_000_000.0 // 86400 * 86400

MakeExporter = Callable[..., Exporter]
SHAPES = pytest.mark.parametrize("exporter", list(UsageShape), indirect=True)


@pytest.fixture
def make_exporter(tmp_path: Path) -> Iterator[MakeExporter]:
    """Makes an exporter of a world that begins at the whole hour `FIRST`."""
    made: list[Exporter] = []

    def make(
        back: float = 0.0, settle: float = 48 * 3600.0, max_series: int = 100, first: float = FIRST
    ) -> Exporter:
        directory = tmp_path / str(len(made))
        directory.mkdir()
        rules = Rules(settle_window=settle, max_series=max_series)
        made.append(Exporter(directory, World(first), rules, first - back))
        return made[-1]

    yield make
    for exporter in made:
        exporter.store.close()


@pytest.fixture
def exporter(make_exporter: MakeExporter, request: pytest.FixtureRequest) -> Exporter:
    """Counts from `FIRST` on, in the shape that `SHAPES` gives, else the log."""
    exporter = make_exporter()
    exporter.shape = getattr(request, "param", UsageShape.LOG)
    return exporter


@pytest.fixture
def ledger(exporter: Exporter) -> Ledger:
    return exporter.ledger

"""A ledger on a new state file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exporter.ledger.ledger import Rules
from tests.ledger.exporter import Exporter
from tests.ledger.world import World

FIRST = 1_790_000_000.0 // 3600 * 3600

MakeExporter = Callable[..., Exporter]


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

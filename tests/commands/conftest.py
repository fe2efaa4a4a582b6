"""The gateway that the commands of one file ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.gateway import Gateway


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("gateway"), history="30m", rate=10) as running:
        yield running

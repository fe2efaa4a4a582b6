"""A gateway and a daemon for each test, fresh, ended by their own ids."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.scene import Scene
from tests.peers.fixtures import StartPeer

pytest.register_assert_rewrite("tests.e2e.expected")


@pytest.fixture
def scene(start_peer: StartPeer, tmp_path: Path) -> Scene:
    return Scene(start_peer, tmp_path)

"""Peers that do not start, and peers that are missing.

That each peer takes points and gives them back is seen wherever they are used: tests/e2e,
tests/alerts.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers import missing as missing_module
from tests.peers.missing import require
from tests.peers.process import Peer, PeerError


class Broken(Peer):
    def command(self) -> list[str | Path]:
        return ["sh", "-c", "echo no such option; exit 2"]

    def started(self) -> None:
        self.logged("(never)")


def test_a_peer_that_does_not_start_says_what_it_logged(tmp_path: Path) -> None:
    with pytest.raises(PeerError, match="no such option"), Broken(tmp_path):
        pass


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A binary that scripts/peers could not get."""
    monkeypatch.setattr(missing_module, "PEERS", tmp_path)
    (tmp_path / "otelcol.missing").write_text("no Go here to build it\n")
    return tmp_path / "otelcol" / "otelcol"


@pytest.mark.parametrize(
    ("asked", "ending"), [("", pytest.skip.Exception), ("required", pytest.fail.Exception)]
)
def test_a_missing_peer_skips_with_its_reason_or_fails_where_it_is_required(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch, asked: str, ending: type[BaseException]
) -> None:
    monkeypatch.setenv("PEERS", asked)
    with pytest.raises(ending, match="no otelcol: no Go here to build it"):
        require(nowhere)

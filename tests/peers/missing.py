"""Finding peers. A missing one skips the test with its reason, or fails it: PEERS=required."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

PEERS = Path(__file__).resolve().parents[2] / ".peers"
_DEBIAN = PEERS / "debian" / "usr" / "bin"

VICTORIA_METRICS = _DEBIAN / "victoria-metrics"
VMAGENT = _DEBIAN / "vmagent"
PROMETHEUS = _DEBIAN / "prometheus"
PROMTOOL = _DEBIAN / "promtool"
ALERTMANAGER = _DEBIAN / "prometheus-alertmanager"
AMTOOL = _DEBIAN / "amtool"
KUBECTL = _DEBIAN / "kubectl"
COLLECTOR = PEERS / "otelcol" / "otelcol"
CRDS = PEERS / "crds"


def missing(peer: str, reason: str) -> NoReturn:
    """Skip the running test, or fail it where every peer is required."""
    message = f"no {peer}: {reason}"
    if os.environ.get("PEERS") == "required":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def require(path: Path) -> Path:
    """The path, if scripts/peers has put something there; else the test ends here."""
    if not path.exists():
        missing(path.name, _reason(path))
    return path


def _reason(path: Path) -> str:
    note = PEERS / f"{path.relative_to(PEERS).parts[0]}.missing"
    if note.exists():
        return note.read_text(encoding="utf-8").strip()
    return "run scripts/peers"

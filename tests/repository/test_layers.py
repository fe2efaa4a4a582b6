"""Each contract of .importlinter notices what it is there to notice."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def broken(folder: Path) -> list[str]:
    """The names of the contracts that the exporter in `folder` breaks."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    assert "Contracts:" in done.stdout, done.stdout + done.stderr
    return re.findall(r"^(.+) BROKEN", done.stdout, re.MULTILINE)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the exporter and its contracts."""
    skip = shutil.ignore_patterns("__pycache__")
    for package in ("exporter", "bytespike_simulator"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=skip)
    shutil.copy(ROOT / ".importlinter", tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("gateway/readings", "import exporter.ledger.totals", "Data flows one way"),
        ("metrics/snapshot", "import exporter.polling.poller", "Data flows one way"),
        ("polling/reader", "import exporter.metrics.snapshot", "Polling does not know who looks"),
        (
            "web/__init__",
            "import httpx",
            "Only the gateway client and OTLP speak HTTP through httpx",
        ),
        (
            "ledger/totals",
            "import opentelemetry.sdk",
            "Reading and counting know no OpenTelemetry",
        ),
        ("metrics/prometheus", "import opentelemetry.sdk", "Only otlp imports OpenTelemetry"),
        ("ledger/totals", "import exporter.gateway.client", "No payload behind the readings"),
        (
            "otlp/__init__",
            "import exporter.ledger.totals",
            "otlp and prometheus see neither ledger nor gateway",
        ),
        (
            "../bytespike_simulator/__init__",
            "import exporter.money",
            "The simulator is no relation of the exporter",
        ),
        ("runtime", "import exporter.cli", "Nothing imports the command line"),
        (
            "runtime",
            "import bytespike_simulator",
            "Only the command line and the demo know the simulator",
        ),
    ],
)
def test_a_forbidden_import_is_noticed(house: Path, module: str, line: str, contract: str) -> None:
    with (house / "exporter" / f"{module}.py").open("a") as file:
        file.write(f"\n{line}\n")
    assert contract in broken(house)

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
        ("polling/reader", "import exporter.metrics.snapshot", "Data flows one way"),
        (
            "web/__init__",
            "import httpx",
            "Only the gateway client and OTLP speak HTTP through httpx",
        ),
        ("ledger/totals", "import exporter.live", "Data flows one way"),
        ("gateway/readings", "import exporter.gateway.client", "No circles of imports"),
        (
            "ledger/cursor",
            "import typing\nif typing.TYPE_CHECKING:\n    import exporter.ledger.ledger",
            "No circles of imports",
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
        ("runtime", "import exporter.cli", "Data flows one way"),
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


def test_a_module_that_stands_on_no_floor_is_noticed(house: Path) -> None:
    (house / "exporter" / "attic.py").touch()
    assert broken(house) == ["Data flows one way"]


def test_every_contract_is_proved(house: Path) -> None:
    names = re.findall(r"^name = (.+)$", (house / ".importlinter").read_text(), re.MULTILINE)
    [proof] = test_a_forbidden_import_is_noticed.pytestmark  # type: ignore[attr-defined]
    assert {contract for _, _, contract in proof.args[1]} == set(names)

"""The scripts that prepare a machine say what they cannot do, and fail only where they must."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = (
    "bash",
    "cat",
    "dirname",
    "head",
    "id",
    "mkdir",
    "mktemp",
    "mv",
    "rm",
    "sed",
    "sh",
    "sha256sum",
    "tail",
)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A checkout on a machine with neither apt nor Go nor Chromium."""
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=skip)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found, tool
        (tmp_path / "bin" / tool).symlink_to(found)
    return tmp_path


def run(bare: Path, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(bare / "bin"), "HOME": str(bare)} | variables
    command = ["bash", str(bare / "scripts" / script)]
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True)


def test_peers_that_cannot_be_had_leave_their_reasons(bare: Path) -> None:
    done = run(bare, "peers")
    assert done.returncode == 0, done.stderr
    assert (bare / ".peers" / "debian.missing").read_text() == "no apt-get here\n"
    assert (bare / ".peers" / "otelcol.missing").read_text() == "no Go here to build it\n"
    assert not (bare / ".peers" / "work").exists()


def test_a_second_run_does_not_try_again(bare: Path) -> None:
    run(bare, "peers")
    assert run(bare, "peers").stderr == ""


def test_required_peers_that_cannot_be_had_fail_every_time(bare: Path) -> None:
    run(bare, "peers")
    for _ in range(2):
        done = run(bare, "peers", PEERS="required")
        assert done.returncode == 1
        assert "no otelcol: no Go here to build it" in done.stderr


def test_a_peer_that_is_there_is_left_alone(bare: Path) -> None:
    run(bare, "peers")
    key = subprocess.run(
        ["bash", "-c", "cat scripts/collector/* | sha256sum"],
        cwd=bare,
        check=True,
        capture_output=True,
    ).stdout
    (bare / ".peers" / "otelcol").mkdir()
    (bare / ".peers" / "otelcol" / ".key").write_bytes(key)
    done = run(bare, "peers", PEERS="required")
    assert "otelcol" not in done.stderr
    (bare / "scripts" / "collector" / "go.sum").write_text("changed\n")
    assert "preparing otelcol" in run(bare, "peers", PEERS="required").stderr


@pytest.mark.parametrize(("peers", "code"), [("", 0), ("required", 1)])
def test_programs_that_cannot_be_had_fail_only_where_required(
    bare: Path, peers: str, code: int
) -> None:
    done = run(bare, "install-programs", PEERS=peers)
    assert done.returncode == code
    assert "no apt-get here" in done.stderr
    assert "tests that need chromium nginx buildah debootstrap are skipped" in done.stderr


def other_pythons(folder: Path, given: str, *found: str) -> list[str]:
    """What other-pythons prints on a machine with these versions of Python."""
    (folder / "home").mkdir()
    for version in {given, *found}:
        python = folder / "bin" / f"python{version}"
        python.write_text(
            f"#!/bin/sh\ncase $2 in *{version}*) ;; *print*) echo {version};; *) exit 1; esac"
        )
        python.chmod(0o755)
    environment = {"PATH": f"{folder / 'bin'}", "HOME": str(folder / "home")}
    command = [str(ROOT / "scripts" / "other-pythons"), f"python{given}"]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.split()


def test_other_pythons_are_the_supported_ones_newest_first(bare: Path) -> None:
    assert other_pythons(bare, "3.12", "3.10", "3.11", "3.13") == ["python3.13", "python3.11"]


def test_where_there_is_no_other_python_nothing_is_printed(bare: Path) -> None:
    assert other_pythons(bare, "3.11", "3.9") == []


def test_an_old_python_is_refused_with_a_way_out(bare: Path) -> None:
    old = bare / "bin" / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = run(bare, "setup")
    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr
    assert not (bare / ".venv").exists()


def test_scripts_can_be_run() -> None:
    scripts = [path for path in (ROOT / "scripts").iterdir() if path.is_file() and not path.suffix]
    assert scripts
    for path in [*scripts, ROOT / ".ci" / "run"]:
        assert os.access(path, os.X_OK), path

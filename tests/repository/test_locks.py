"""The locks hold what pyproject.toml asks for, with hashes, and name no registry."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted(ROOT.glob("requirements*.lock"))


def locked(name: str) -> dict[str, str]:
    """Versions by name."""
    text = (ROOT / name).read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", text, re.MULTILINE))


def asked(*groups: str) -> list[Requirement]:
    """The dependencies of the exporter, or of the groups if any are named."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lines: list[str] = project["project"]["dependencies"]
    if groups:
        lines = [
            line
            for group in groups
            for line in project["dependency-groups"][group]
            if isinstance(line, str)
        ]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("requirements.lock", asked()),
        ("requirements-build.lock", asked("build")),
        ("requirements-dev.lock", asked() + asked("build", "dev")),
    ],
)
def test_a_lock_satisfies_what_is_asked_for(lock: str, wanted: list[Requirement]) -> None:
    versions = locked(lock)
    for requirement in wanted:
        assert versions[canonicalize_name(requirement.name)] in requirement.specifier


def test_every_lock_agrees_on_versions() -> None:
    development = locked("requirements-dev.lock").items()
    assert locked("requirements.lock").items() <= development
    assert locked("requirements-build.lock").items() <= development


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_has_hashes_and_names_no_registry(lock: Path) -> None:
    text = lock.read_text()
    assert "--index-url" not in text
    assert "--find-links" not in text
    assert "://" not in text
    for package in re.split(r"\n(?=[a-z0-9])", text)[1:]:
        assert "--hash=sha256:" in package, package

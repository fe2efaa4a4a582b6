"""One version everywhere, and links that lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from exporter import __version__

ROOT = Path(__file__).resolve().parents[2]
CHARTS = ("bytespike-exporter", "bytespike-sidecar")
PAGES = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")]
PAGES += sorted((ROOT / "docs").glob("*.md"))
PAGES += sorted((ROOT / "deploy").glob("helm/*/README.md"))


def test_a_clone_that_is_not_installed_knows_its_version(tmp_path: Path) -> None:
    (tmp_path / "exporter").mkdir()
    code = (ROOT / "exporter" / "__init__.py").read_text()
    (tmp_path / "exporter" / "__init__.py").write_text(code)
    command = [sys.executable, "-S", "-c", "import exporter; print(exporter.__version__)"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == __version__


@pytest.mark.parametrize("chart", CHARTS)
def test_a_chart_is_of_the_exporters_version(chart: str) -> None:
    told = yaml.safe_load((ROOT / "deploy" / "helm" / chart / "Chart.yaml").read_text())
    assert (told["version"], told["appVersion"]) == (__version__, __version__)


def test_the_sidecar_takes_the_image_of_its_version() -> None:
    values = ROOT / "deploy" / "helm" / "bytespike-sidecar" / "values.yaml"
    assert yaml.safe_load(values.read_text())["image"]["tag"] == __version__


def test_the_image_is_labelled_with_the_version() -> None:
    assert f"ARG VERSION={__version__}\n" in (ROOT / "Dockerfile").read_text()


def test_the_newest_entry_of_the_changelog_is_the_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert re.findall(r"^## \[([^]]+)\]", changelog, re.MULTILINE)[0] == __version__


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_to_files_and_headings(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", text):
        path, _, heading = "".join(link).partition("#")
        target = page.parent / path if path else page
        if "://" in path:
            continue
        if not target.exists() or (heading and heading not in _headings(target)):
            broken.append("".join(link))
    assert not broken


def _headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}

"""Writes every generated file: `python -m scripts.generate [--check]`.

With `--check` nothing is written: a file that differs from what its generator says is shown
as a diff, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import difflib
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Generated(NamedTuple):
    """A file below the repository, and the Python module and arguments that print it."""

    path: str
    command: tuple[str, ...]


GENERATED = (
    Generated("docs/metrics.md", ("exporter", "metrics")),
    Generated("docs/configuration.md", ("exporter.config.reference",)),
    Generated("docs/config.schema.json", ("exporter.config.reference", "--schema")),
    Generated("docs/reliability-table.md", ("scripts.reliability",)),
    Generated("deploy/alerts/rules.yaml", ("scripts.alerts",)),
    Generated("deploy/helm/bytespike-exporter/files/rules.yaml", ("scripts.alerts", "--helm")),
    # Twice: a chart can only read files inside itself.
    *(
        Generated(f"{folder}/bytespike-{name}.json", ("scripts.dashboards", name))
        for folder in ("deploy/dashboards", "deploy/helm/bytespike-exporter/dashboards")
        for name in ("overview", "account", "exporter")
    ),
    *(
        Generated(f"deploy/helm/{chart}/{file}", (f"scripts.chart.{module}", chart))
        for chart in ("bytespike-exporter", "bytespike-sidecar")
        for module, file in (
            ("schema", "values.schema.json"),
            ("readme", "README.md"),
            ("nginx", "templates/_nginx.tpl"),
        )
    ),
    # One source, the library chart, for the sidecar with and without Helm.
    Generated("deploy/kustomize/sidecar/config.yaml", ("scripts.chart.sidecar", "config")),
    Generated("deploy/kustomize/sidecar/patch.yaml", ("scripts.chart.sidecar", "patch")),
    Generated("deploy/manifests/sidecar.yaml", ("scripts.chart.sidecar", "manifest")),
    *(
        Generated(f"deploy/{path}", ("scripts.chart.sidecar", f"tap-{name}"))
        for path, name in (
            ("kustomize/sidecar-tap/config.yaml", "config"),
            ("kustomize/sidecar-tap/nginx.conf", "nginx.conf"),
            ("kustomize/sidecar-tap/main.conf", "main.conf"),
            ("kustomize/sidecar-tap/start.sh", "start.sh"),
            ("kustomize/sidecar-tap/patch.yaml", "patch"),
            ("kustomize/sidecar-tap/tap.env", "environment"),
            ("manifests/sidecar-tap.yaml", "manifest"),
        )
    ),
)


class GeneratorError(Exception):
    """A generator failed; the message ends with what it said."""


def generate(item: Generated) -> str:
    """What the file should hold. Raises GeneratorError."""
    done = subprocess.run(
        [sys.executable, "-m", *item.command],
        cwd=ROOT,
        capture_output=True,
        check=False,
        encoding="utf-8",
        timeout=60,
    )
    if done.returncode != 0 or not done.stdout:
        last = done.stderr.strip().splitlines()[-1:] or ["it printed nothing"]
        raise GeneratorError(f"{item.path}: python -m {' '.join(item.command)} failed: {last[0]}")
    return done.stdout


def difference(path: Path, wanted: str) -> str:
    """A diff from the file as it is to what it should hold; empty where they agree."""
    there = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = difflib.unified_diff(
        there.splitlines(keepends=True),
        wanted.splitlines(keepends=True),
        fromfile=f"{path} (as it is)",
        tofile=f"{path} (as generated)",
    )
    return "".join(lines)


def update(item: Generated, *, check: bool) -> bool:
    """Whether the file is as generated; unless `check`, it is made so. Raises GeneratorError."""
    path = ROOT / item.path
    wanted = generate(item)
    found = difference(path, wanted)
    if not found:
        return True
    if check:
        print(found, end="")
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(wanted, encoding="utf-8")
    print(f"wrote {item.path}")
    return True


def main(arguments: list[str]) -> int:
    """Run the command line; gives the exit code."""
    parser = argparse.ArgumentParser(description="Write every generated file.")
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    check = parser.parse_args(arguments).check
    agreed = True
    for item in GENERATED:
        try:
            agreed &= update(item, check=check)
        except GeneratorError as error:
            print(f"generate: {error}", file=sys.stderr)
            agreed = False
    if not agreed and check:
        print("generate: run `make generate`", file=sys.stderr)
    return 0 if agreed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

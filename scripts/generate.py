"""Writes every generated file: `python -m scripts.generate [--check]`.

With `--check` nothing is written: a file that differs from what its generator says is shown
as a diff, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from exporter.config import reference
from exporter.metrics import metric_reference
from scripts import alerts, reliability
from scripts.chart import nginx, readme, schema, sidecar
from scripts.dashboards import account, health, overview
from scripts.dashboards.frame import text

ROOT = Path(__file__).resolve().parent.parent
CHART = "deploy/helm/bytespike-exporter"


def _dashboards() -> dict[str, Callable[[], str]]:
    """Each of them twice: a chart can only read files inside itself."""
    pages = {"overview": overview.page, "account": account.page, "exporter": health.page}
    return {
        f"{folder}/bytespike-{name}.json": partial(text, page)
        for folder in ("deploy/dashboards", f"{CHART}/dashboards")
        for name, page in pages.items()
    }


def _charts() -> dict[str, Callable[[], str]]:
    files = {
        "values.schema.json": schema.schema,
        "README.md": readme.readme,
        "templates/_nginx.tpl": nginx.template,
    }
    return {
        f"deploy/helm/{chart}/{file}": partial(generator, chart)
        for chart in ("bytespike-exporter", "bytespike-sidecar")
        for file, generator in files.items()
    }


def _sidecars() -> dict[str, Callable[[], str]]:
    """The sidecar without Helm, without and with nginx: one source, the library chart."""
    found: dict[str, Callable[[], str]] = {}
    for name, values in (("sidecar", {}), ("sidecar-tap", sidecar.TAP)):
        folder = f"deploy/kustomize/{name}"
        for file in ("config.yaml", *(sidecar.NGINX if values else ())):
            found[f"{folder}/{file}"] = partial(sidecar.file, values, file)
        found[f"{folder}/patch.yaml"] = partial(sidecar.patch, values)
        found[f"deploy/manifests/{name}.yaml"] = partial(sidecar.manifest, values)
    return found | {
        "deploy/kustomize/sidecar-tap/tap.env": partial(sidecar.environment, sidecar.TAP)
    }


GENERATED: Mapping[str, Callable[[], str]] = {
    "docs/metrics.md": partial(metric_reference.render, "markdown"),
    "docs/configuration.md": reference.markdown,
    "docs/config.schema.json": reference.schema,
    "docs/reliability-table.md": reliability.page,
    "deploy/alerts/rules.yaml": partial(alerts.rules, alerts.plain),
    f"{CHART}/files/rules.yaml": partial(alerts.rules, alerts.helm),
    **_dashboards(),
    **_charts(),
    **_sidecars(),
}
"""Files below the repository, and what gives their text."""


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


def update(file: str, generator: Callable[[], str], *, check: bool) -> bool:
    """Whether the file is as generated; unless `check`, it is made so."""
    path, wanted = ROOT / file, generator()
    found = difference(path, wanted)
    if not found:
        return True
    if check:
        print(found, end="")
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(wanted, encoding="utf-8")
    print(f"wrote {file}")
    return True


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Write every generated file.")
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    check = parser.parse_args(arguments).check
    agreed = True
    for file, generator in GENERATED.items():
        try:
            agreed &= update(file, generator, check=check)
        except Exception as error:  # the other files are told of all the same
            print(f"generate: {file}: {type(error).__name__}: {error}", file=sys.stderr)
            agreed = False
    if not agreed and check:
        print("generate: run `make generate`", file=sys.stderr)
    return 0 if agreed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

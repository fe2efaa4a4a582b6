"""The size of the code and its circles of imports."""

from __future__ import annotations

from pathlib import Path

from benchmarks.code_size import Size, circles, numbers
from benchmarks.environment import ROOT


def write(root: Path, **modules: str) -> None:
    for package in ("exporter", "bytespike_simulator"):
        (root / package).mkdir()
        (root / package / "__init__.py").touch()
    for name, text in modules.items():
        (root / "exporter" / f"{name}.py").write_text(text)


def test_lines_and_files_are_counted_by_package(tmp_path: Path) -> None:
    write(tmp_path, a="x = 1\ny = 2\n")
    sizes = numbers(tmp_path).sizes
    assert sizes["exporter"] == Size(2, 2)
    assert sizes["bytespike_simulator"] == Size(0, 1)


def test_a_circle_is_found_even_where_it_is_for_types_alone(tmp_path: Path) -> None:
    only_types = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import exporter.a\n"
    write(tmp_path, a="import exporter.b\n", b="import exporter.c\n", c=only_types)
    assert circles(tmp_path) == [["exporter.a", "exporter.b", "exporter.c"]]


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circles(ROOT) == []

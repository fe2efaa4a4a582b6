"""The table and the page that benchmarks write."""

from __future__ import annotations

from benchmarks.report import Row, document, spread, table

ROWS = [
    Row("memory", "≤ 45 MiB", "44.0 MiB", True, "Once it is steady."),
    Row("start", "≤ 1.0 s", "1.20 s", False),
    Row("imports", "–", "0.2 s"),
]


def test_a_table_has_one_aligned_line_for_each_row() -> None:
    lines = table(ROWS).splitlines()
    assert len(lines) == 2 + len(ROWS)
    assert len({len(line) for line in lines}) == 1
    assert lines[0].split("|")[1].strip() == "what"


def test_a_missed_budget_stands_out_and_what_has_none_is_not_judged() -> None:
    verdicts = [line.split("|")[4].strip() for line in table(ROWS).splitlines()[2:]]
    assert verdicts == ["yes", "**no**", "–"]


def test_the_page_names_the_machine_the_command_and_how_each_row_was_measured() -> None:
    page = document(ROWS, "- a machine", "2026-05-21", "make bench")
    assert page.startswith("# Benchmarks\n")
    assert "`make bench` on 2026-05-21" in page
    assert "- a machine\n" in page
    assert page.endswith("- *memory*: Once it is steady.\n")


def test_a_spread_tells_the_median_and_what_it_lies_between() -> None:
    assert spread([3.0, 1.0, 2.5], "s", 1) == "2.5 s (1.0 to 3.0)"

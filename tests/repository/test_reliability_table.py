"""Rows of a run add up, replace those before, and show their failures."""

from __future__ import annotations

from pathlib import Path

import msgspec

from scripts.reliability import RESULTS, Row, render, summed, taken
from tests.reliability.trials import Trials, saw

ROOT = Path(__file__).resolve().parents[2]


def row(**changes: object) -> Row:
    whole = Row("Crashes", "SIGKILL", "nothing lost", "{lost} lost", 2, {"lost": 0}, "a.py::b")
    return msgspec.structs.replace(whole, **changes)


def test_what_tests_write_is_read_back_and_added_up(tmp_path: Path) -> None:
    run = tmp_path / "run.jsonl"
    for lost in (0, 3):
        trials = Trials("a.py::b")
        saw(trials.row("Crashes", "SIGKILL", "nothing lost", "{lost} lost"), 5, lost=lost)
        trials.write(run, failed=lost > 0)
    (found,) = summed(msgspec.json.decode(x, type=Row) for x in run.read_bytes().splitlines())
    assert (found.times, found.numbers, found.failed) == (10, {"lost": 3}, 1)


def test_a_run_replaces_the_rows_of_its_tests_and_keeps_the_others() -> None:
    before = [row(times=7), row(test="c.py::d"), row(fault="gone")]
    assert taken(before, summed([row(times=1), row(times=1)])) == [
        row(times=2),
        row(test="c.py::d"),
    ]


def test_a_failure_shows_and_numbers_are_spelled_for_people() -> None:
    page = render([row(times=1234567, failed=1, numbers={"lost": 4000})])
    assert "| SIGKILL | 1,234,567 | nothing lost | **FAILED**; 4,000 lost |" in page


def test_a_test_that_failed_before_it_counted_shows_that_too() -> None:
    assert "**FAILED**; ? lost |" in render([row(failed=1, numbers={})])


def test_no_text_breaks_the_table() -> None:
    page = render([row(part="Weather", fault="rain | snow")])
    assert "## Weather" in page
    assert r"| rain \| snow |" in page


def test_every_row_of_the_table_has_its_test() -> None:
    for found in msgspec.json.decode(RESULTS.read_bytes(), type=list[Row]):
        path, _, name = found.test.partition("::")
        files = [*ROOT.glob(f"{path}*")]
        assert files, found.test
        assert f"def {name}" in files[0].read_text(encoding="utf-8"), found.test

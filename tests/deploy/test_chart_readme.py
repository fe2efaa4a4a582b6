"""The table of values in a chart's README says all of values.yaml, or refuses."""

from __future__ import annotations

import pytest

from scripts.chart.readme import ReadmeError, rows


def test_a_comment_of_several_lines_is_one_cell() -> None:
    (row,) = rows("# -- First\n# second.\nport: 1\n")
    assert row == ("port", "1", "First second.")


def test_a_value_inside_has_a_dotted_path() -> None:
    text = "service:\n  # -- Make one.\n  enabled: true\n"
    assert rows(text) == [("service.enabled", "true", "Make one.")]


def test_what_is_described_as_one_is_one_row() -> None:
    text = "# -- Bounds.\nresources:\n  limits:\n    cpu: 1\n"
    assert rows(text) == [("resources", '{"limits": {"cpu": 1}}', "Bounds.")]


def test_a_comment_for_readers_of_the_file_is_left_out() -> None:
    assert rows("# About this file.\n\n# -- Port.\nport: 1\n") == [("port", "1", "Port.")]


def test_a_value_without_a_comment_is_refused() -> None:
    with pytest.raises(ReadmeError, match="port has no comment"):
        rows("# Not for the table.\nport: 1\n")

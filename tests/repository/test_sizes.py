from pathlib import Path

from scripts.sizes import FILE_LINES, FUNCTION_LINES, main, too_long


def function(lines: int) -> str:
    return "def f() -> None:\n" + "    pass\n" * (lines - 1)


def test_a_file_and_a_function_at_the_limit_are_fine() -> None:
    source = function(FUNCTION_LINES)
    source += "\n" * (FILE_LINES - FUNCTION_LINES)
    assert list(too_long(source, "a.py")) == []


def test_a_function_one_line_too_long_is_named_with_its_line() -> None:
    source = "\n" + function(FUNCTION_LINES + 1)
    assert list(too_long(source, "a.py")) == ["a.py:2: f has 41 lines; a function has at most 40"]


def test_a_long_method_of_a_class_is_found() -> None:
    body = "        pass\n" * FUNCTION_LINES
    source = f"class C:\n    async def m(self) -> None:\n{body}"
    assert list(too_long(source, "a.py")) == ["a.py:2: m has 41 lines; a function has at most 40"]


def test_a_file_one_line_too_long_is_named() -> None:
    assert list(too_long("\n" * (FILE_LINES + 1), "a.py")) == [
        "a.py: 301 lines; a file has at most 300"
    ]


def test_a_folder_without_source_is_a_mistake(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 1


def test_files_below_a_folder_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.py").write_text("x = 1\n")
    assert main([str(tmp_path)]) == 0
    (tmp_path / "deep" / "b.py").write_text(function(FUNCTION_LINES + 1))
    assert main([str(tmp_path)]) == 1

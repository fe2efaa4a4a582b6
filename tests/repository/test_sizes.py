from pathlib import Path

from scripts.sizes import BUDGETS, FILE_LINES, FUNCTION_LINES, main, problems, too_long


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
    lines = FILE_LINES + 1
    assert list(too_long("\n" * lines, "a.py")) == [
        f"a.py: {lines} lines; a file has at most {FILE_LINES}"
    ]


def checkout(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_folder_past_its_budget_is_named_with_it(tmp_path: Path) -> None:
    checkout(
        tmp_path,
        **{
            "scripts__setup": "x\n" * (BUDGETS["scripts"] + 1),
            "scripts__tools__go.sum": "x\n" * 9000,
        },
    )
    assert list(problems(tmp_path)) == [
        f"scripts: {BUDGETS['scripts'] + 1:,} lines; the budget is {BUDGETS['scripts']:,}"
    ]
    assert main(tmp_path) == 1


def test_two_files_of_one_name_are_named(tmp_path: Path) -> None:
    names = ("exporter__web__server.py", "exporter__tap__server.py", "exporter____init__.py")
    checkout(tmp_path, **dict.fromkeys(names, "x = 1\n"))
    assert list(problems(tmp_path)) == [
        "exporter/tap/server.py and exporter/web/server.py have one name"
    ]


def test_a_small_checkout_is_fine(tmp_path: Path) -> None:
    assert main(checkout(tmp_path, exporter__a="x = 1\n")) == 0

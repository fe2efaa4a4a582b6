from pathlib import Path

import pytest

from scripts import generate
from scripts.generate import difference, main


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(
        generate, "GENERATED", {"docs/zen.md": lambda: "Beautiful is better than ugly.\n"}
    )
    return tmp_path / "docs" / "zen.md"


def test_a_missing_file_fails_the_check_and_is_not_written(page: Path) -> None:
    assert main(["--check"]) == 1
    assert not page.exists()


def test_a_written_file_passes_the_check(page: Path) -> None:
    assert main([]) == 0
    assert "Beautiful is better than ugly." in page.read_text()
    assert main(["--check"]) == 0


def test_a_file_changed_by_hand_fails_the_check_and_keeps_its_change(
    page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([])
    page.write_text(page.read_text().replace("Beautiful", "Plain"))
    capsys.readouterr()
    assert main(["--check"]) == 1
    assert "-Plain is better than ugly.\n+Beautiful is better" in capsys.readouterr().out
    assert "Plain" in page.read_text()


def test_a_failing_generator_says_why_and_leaves_the_file(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main([])

    def broken() -> str:
        raise ValueError("there is no beauty")

    monkeypatch.setattr(generate, "GENERATED", {"docs/zen.md": broken})
    assert main([]) == 1
    assert "docs/zen.md: ValueError: there is no beauty" in capsys.readouterr().err
    assert "Beautiful" in page.read_text()


def test_files_that_agree_have_no_difference(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("one\n")
    assert difference(path, "one\n") == ""

"""One bad file for each rule, with its exact message beside it."""

from pathlib import Path

import pytest
import yaml

from exporter.config import nodes
from exporter.config.load import load, parse
from exporter.config.mistakes import Problems, quoted
from exporter.errors import ConfigError

BAD = sorted((Path(__file__).parent / "bad").glob("*.yaml"))
KEY = "sk-byts-0123456789abcdef"
ENVIRON = {"BYTESPIKE_API_KEY": KEY, "EMPTY_KEY": " ", "BROKEN_KEY": "two SECRET-MARKS"}
ACCOUNTS = "accounts: [{name: prod, api_key_env: BYTESPIKE_API_KEY}]\n"


def problems_of(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        parse(text, ENVIRON)
    return caught.value.problems


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_each_mistake_has_its_message(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    with pytest.raises(ConfigError) as caught:
        load(path, ENVIRON)
    assert str(caught.value) == path.with_suffix(".txt").read_text(encoding="utf-8").rstrip("\n")
    assert "SECRET-MARK" not in str(caught.value)


def test_every_bad_file_has_a_message_and_the_other_way_round() -> None:
    messages = (Path(__file__).parent / "bad").glob("*.txt")
    assert {path.stem for path in BAD} == {path.stem for path in messages}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read: No such file or directory"),
        ("directory", "cannot be read: Is a directory"),
        (b"[" * (1 << 20) + b"[", "is larger than 1 MiB, too large for a configuration"),
        (b"# one\n# caf\xe9 SECRET-MARK\n", "is not UTF-8 (line 2)"),
    ],
    ids=["missing", "directory", "huge", "not UTF-8"],
)
def test_a_file_that_cannot_be_used_is_named_and_not_quoted(
    tmp_path: Path, content: bytes | str | None, told: str
) -> None:
    path = tmp_path / "config.yaml"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "directory":
        path.mkdir()
    with pytest.raises(ConfigError) as caught:
        load(path, ENVIRON)
    assert str(caught.value).endswith(f"config.yaml: {told}")
    assert "SECRET-MARK" not in f"{caught.value} {caught.value.__cause__!r}"


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_deep_nesting_is_refused_and_not_followed(opening: str) -> None:
    assert problems_of(opening * 100_000)[0].startswith("configuration: ")


def test_a_byte_order_mark_is_harmless(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(ACCOUNTS, encoding="utf-8-sig")
    assert load(path, ENVIRON) == parse("\ufeff" + ACCOUNTS, ENVIRON) == parse(ACCOUNTS, ENVIRON)


@pytest.mark.parametrize("text", ["a: \ud800", 'a: "\\ud800"', "a: \0", 'state: {path: "a\\0"}'])
def test_what_is_not_a_character_is_a_problem_and_no_crash(text: str) -> None:
    assert problems_of(text)


def test_thousands_of_mistakes_give_a_hundred_lines() -> None:
    lines = problems_of(ACCOUNTS + "".join(f"key{number}: 1\n" for number in range(5000)))
    assert len(lines) == 101
    assert lines[-1] == "configuration: 4900 further problems"


def test_unfolding_aliases_are_never_unfolded() -> None:
    layers = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    lines = problems_of("a0: &a0 [x]\n" + layers)
    assert "a0: anchors and aliases are not supported; write the value out (line 1)" in lines


def test_problems_come_in_the_order_of_the_file_and_the_environment_last() -> None:
    problems = Problems()
    problems.add("OTEL_X", "third")
    problems.add("b", "second", 9)
    problems.add("a", "first", 2)
    assert problems.error().problems == ("a: first (line 2)", "b: second (line 9)", "OTEL_X: third")


def test_a_problem_is_one_line_without_a_key_whatever_is_put_in() -> None:
    problems = Problems()
    problems.add("a\nb", f"holds\r\x1b[31m{KEY}")
    (line,) = problems.error().problems
    assert line == "a\\nb: holds\\r\\x1b[31msk-byts-…"


@pytest.mark.parametrize("loader", ["CSafeLoader", "SafeLoader"])
@pytest.mark.parametrize(
    "text",
    [
        "a: !SECRETMARK!b c",
        "%SECRETMARK x\na: [",
        'a: "\\S SECRETMARK"',
        "a: 'SECRETMARK\n",
        "a: @SECRETMARK",
        "a: *SECRETMARK!\n",
        "SECRETMARK\nSECRETMARK: b: c",
    ],
)
def test_a_syntax_error_does_not_quote_the_file(
    loader: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hasattr(yaml, loader):
        pytest.skip("this PyYAML was built without libyaml")
    monkeypatch.setattr(nodes, "_LOADER", getattr(yaml, loader))
    (line,) = problems_of(text)
    assert line.startswith("configuration: is not YAML: ")
    assert "SECRETMARK" not in line


def test_a_long_text_is_quoted_without_searching_all_of_it() -> None:
    assert len(quoted("a-" * 500_000)) < 50

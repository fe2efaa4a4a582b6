"""Where the key comes from, and what an operator is told when it cannot be had."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from exporter.config.types import Account
from exporter.errors import AuthError
from exporter.gateway.keys import KeySource
from exporter.secrets import redact
from tests.gateway.fakes import FINE, KEY, MASKED, Bench, reply, script

SECOND = "sk-byts-fedcba98765432101234"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a key may be."""
    return tmp_path / "key"


def sent(bench: Bench) -> list[str]:
    return [request.headers["authorization"].removeprefix("Bearer ") for request in bench.requests]


def test_whitespace_around_the_key_is_no_part_of_it(file: Path) -> None:
    file.write_text(f"\ufeff  {KEY}\r\n\n")
    for bench in (
        Bench(FINE, key_file=file),
        Bench(FINE, environ={"BYTESPIKE_API_KEY": f" {KEY}\n"}),
    ):
        bench.account()
        assert sent(bench) == [KEY]
        assert bench.client.masked_key == MASKED


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("a\nb", "more than one line"),
        ("sk byts", "cannot be part of a key"),
        ("schlüssel", "cannot be part of a key"),
        ("a\x00b", "cannot be part of a key"),
        ("k" * 5000, "which is no key"),
    ],
)
def test_an_unusable_key_is_not_sent_and_the_message_says_what_to_do(
    file: Path, text: str, problem: str
) -> None:
    file.write_text(text)
    bench = Bench(FINE, key_file=file)
    with pytest.raises(AuthError, match=f"api_key_file .*{problem}.*put the API key there"):
        bench.account()
    assert bench.requests == []
    assert bench.client.masked_key is None


def test_a_missing_key_names_the_variable_or_the_file(tmp_path: Path) -> None:
    with pytest.raises(AuthError, match=r"'BYTESPIKE_API_KEY' .* is not set"):
        Bench(FINE, environ={}).account()
    with pytest.raises(AuthError, match="does not exist"):
        Bench(FINE, key_file=tmp_path / "none").account()
    with pytest.raises(AuthError, match="cannot be read"):
        Bench(FINE, key_file=tmp_path).account()


def test_a_swapped_symlink_is_noticed(tmp_path: Path) -> None:
    for name, key in (("..old", KEY), ("..new", KEY[:-1] + "x")):
        (tmp_path / name).write_text(key)
        os.utime(tmp_path / name, (1, 1))
    link = tmp_path / "key"
    link.symlink_to("..old")
    bench = Bench(FINE, key_file=link)
    bench.account()
    swap = tmp_path / "swap"
    swap.symlink_to("..new")
    swap.replace(link)
    bench.account()
    assert sent(bench) == [KEY, KEY[:-1] + "x"]


def test_an_unchanged_file_is_not_read_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(KEY)
    bench = Bench(FINE, key_file=file)
    bench.account()
    monkeypatch.setattr(Path, "open", lambda *args: pytest.fail("read again"))
    bench.account()


def test_a_refused_key_is_read_again_even_if_the_file_looks_the_same(file: Path) -> None:
    file.write_text(KEY)
    os.utime(file, (1, 1))
    bench = Bench(script(reply({}, 401), FINE), key_file=file)
    with pytest.raises(AuthError, match="check api_key_file"):
        bench.account()
    file.write_text(KEY[:-1] + "x")
    os.utime(file, (1, 1))
    bench.account()
    assert sent(bench)[-1] == KEY[:-1] + "x"


def test_a_key_in_another_spelling_is_cut_out_of_logs_from_then_on(file: Path) -> None:
    file.write_text("another-spelling-of-a-key-9f3c\n")
    Bench(FINE, key_file=file).account()
    assert "another-spelling" not in redact("sent another-spelling-of-a-key-9f3c to it")
    Bench(FINE, environ={"BYTESPIKE_API_KEY": "one.more-spelling-41aa"}).account()
    assert "one.more" not in redact("one.more-spelling-41aa")


def test_a_changed_file_is_a_new_version_of_the_key(file: Path) -> None:
    account = Account("prod", "https://gateway.test", api_key_file=file)
    keys = KeySource(account, {})
    missing = keys.version()
    file.write_text(KEY)
    first = keys.version()
    assert first != missing
    assert keys.version() == first
    file.write_text(SECOND + "x")
    assert keys.version() != first
    variable = KeySource(Account("prod", "https://gateway.test", api_key_env="KEY"), {"KEY": KEY})
    assert variable.version() is None

"""Whatever the file holds: a configuration or a ConfigError, and never a secret in it."""

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.config.kinds import URL, duration
from exporter.config.load import describe, parse
from exporter.config.settings import ACCOUNT, SETTINGS
from exporter.config.types import Config
from exporter.config.values import show_duration
from exporter.errors import ConfigError

ENVIRON = {"BYTESPIKE_API_KEY": "sk-byts-0123456789abcdef"}
MARK = "sk-byts-SECRETMARK0123456789"
PATHS = [
    [part for part in (section, key) if part] for section in SETTINGS for key in SETTINGS[section]
]
DURATION = duration("1ms", "1000d")

words = st.sampled_from([*{word for path in PATHS for word in path}, *ACCOUNT, MARK, "accounts"])
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(MARK)
)
taken = st.sampled_from(
    ["1s", "6h", "-24h", "now", "log", "grpc", "none", "debug", "http://a:1", "127.0.0.1:0", 7]
)
"""What some setting or other takes."""

punctuation = st.lists(
    st.sampled_from([*"[]{}:,-?&*!|>'\"%@`#\n\t ~<", " a", MARK, ": ", "\n  "])
).map("".join)

trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)


def with_one_setting(path: list[str], value: object) -> str:
    """A configuration that is right, but for one setting that may be anything."""
    tree: object = value
    for key in reversed(path):
        tree = {key: tree}
    accounts = {"accounts": [{"name": "a", "api_key_env": "BYTESPIKE_API_KEY"}]}
    assert isinstance(tree, dict)
    return yaml.safe_dump(accounts | tree, allow_unicode=True)


def read(text: str) -> Config | None:
    """The configuration, or None; asserts what holds for every text."""
    try:
        config = parse(text, ENVIRON)
    except ConfigError as error:
        problems = error.problems
    else:
        assert "SECRETMARK" not in repr(config) + describe(config)
        return config
    assert problems
    for line in problems:
        assert "SECRETMARK" not in line
        assert ": " in line
        assert line.isprintable()
    return None


@settings(max_examples=200)
@given(st.text() | punctuation)
@example("? ? ?")
@example("!!python/object/apply:os.system [x]")
@example("%YAML 3.0\n---\n")
@example("a: !<")
@example('"\\UFFFFFFFF"')
@example("\x85- ")
def test_any_text_gives_a_configuration_or_a_config_error(text: str) -> None:
    read(text)


@settings(max_examples=200)
@given(st.dictionaries(words, trees, max_size=4))
def test_any_tree_gives_a_configuration_or_a_config_error(tree: object) -> None:
    read(yaml.safe_dump(tree, allow_unicode=True))


@given(st.characters(codec="utf-8"), st.integers(0, 71))
def test_a_stray_character_in_front_of_a_key_does_not_uncover_it(character: str, at: int) -> None:
    text = f"accounts: [{{name: prod, api_key_env: BYTESPIKE_API_KEY}}]\nlog: {{level: {MARK}}}\n"
    assert read(text[:at] + character + text[at:]) is None


def test_a_credential_of_another_kind_in_the_wrong_place_is_not_quoted_back() -> None:
    with pytest.raises(ConfigError) as caught:
        parse("poll: {usage: 0123SECRETMARK-456789abc}\n", ENVIRON)
    assert caught.value.problems[0].startswith('poll.usage: "…" is not a duration')


@given(st.text(min_size=1, max_size=100))
def test_an_account_name_survives_the_file_or_is_refused(name: str) -> None:
    tree = {"accounts": [{"name": name, "api_key_env": "BYTESPIKE_API_KEY"}]}
    config = read(yaml.safe_dump(tree, allow_unicode=True, default_style='"'))
    if config is not None:
        assert config.accounts[0].name == name
        assert parse(describe(config), ENVIRON) == config


@given(st.integers(1, 10**10))
def test_a_duration_is_shown_as_it_is_read(milliseconds: int) -> None:
    assert DURATION.read(show_duration(milliseconds / 1000)) == milliseconds / 1000


@pytest.mark.parametrize(
    "text",
    ["1", "s", "1 s", "1.5h", "1h30m", "+1s", "1S", "١s", "1s\n", "", "9999999999999d", "1min"],
)
def test_other_spellings_of_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|unit"):
        DURATION.read(text)


UNREACHABLE = (
    "http:// http://:80 http://a:b http://a:99999 http://a: http://a..b http://[::1 http://[::g] "
    "http://1.2.3 http://é.example ftp://a http:/a http://a? http://a#b http://u@a"
)


@pytest.mark.parametrize(
    "text", [*UNREACHABLE.split(), "http://a b", "http://a\\b", "http://a\n", f"http://{'a' * 64}"]
)
def test_what_no_client_could_reach_is_not_a_url(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(is not an http|holds a user|has a query)"):
        URL.read(text)


@given(st.text(max_size=30))
def test_any_url_that_is_accepted_is_plain_and_stays_the_same(text: str) -> None:
    try:
        url = URL.read(f"https://{text}")
    except ValueError:
        return
    assert URL.read(url) == url
    assert not set(url) & set("@?# \n")

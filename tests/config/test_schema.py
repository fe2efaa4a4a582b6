"""The JSON Schema for editors takes what the exporter takes, and refuses most of the rest."""

import json
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from exporter.config.reference import schema
from tests.config.test_any_text import PATHS, read, scalars, taken, with_one_setting
from tests.config.test_bad_files import BAD
from tests.config.test_good_files import EVERYTHING, LEAST, ROOT

VALIDATOR = Draft202012Validator(json.loads(schema()))


class Editor(yaml.SafeLoader):
    """YAML 1.2, as editors read it."""


Editor.yaml_implicit_resolvers = {}
for name, pattern in (
    ("null", "~|null|Null|NULL|"),
    ("bool", "true|True|TRUE|false|False|FALSE"),
    ("int", "[-+]?[0-9]+"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"),
):
    Editor.add_implicit_resolver(f"tag:yaml.org,2002:{name}", re.compile(f"^({pattern})$"), None)
Editor.add_constructor("tag:yaml.org,2002:int", lambda _, node: int(node.value))
Editor.add_constructor("tag:yaml.org,2002:float", lambda _, node: float(node.value))


def accepts(text: str) -> bool:
    try:
        return VALIDATOR.is_valid(yaml.load(text, Loader=Editor))
    except yaml.YAMLError:
        return False


@pytest.mark.parametrize("text", [(ROOT / "config.yaml").read_text("utf-8"), EVERYTHING, LEAST])
def test_an_editor_accepts_good_files(text: str) -> None:
    assert list(VALIDATOR.iter_errors(yaml.load(text, Loader=Editor))) == []


@given(st.sampled_from(PATHS), scalars | taken)
def test_an_editor_accepts_every_value_that_the_exporter_does(
    path: list[str], value: object
) -> None:
    text = with_one_setting(path, value)
    assert read(text) is None or accepts(text)


def test_an_editor_refuses_most_of_what_the_exporter_does() -> None:
    refused = {path.stem for path in BAD if not accepts(path.read_text("utf-8"))}
    assert len(refused) >= 0.6 * len(BAD)
    assert refused >= {
        "allow_hosts_with_port",
        "api_key",
        "duration_without_unit",
        "number_too_large",
        "tap_proxy",
        "thresholds",
        "unknown_nested_key",
        "url_with_password",
        "webhook_path",
    }


def test_the_schema_is_the_one_in_the_repository_and_is_valid() -> None:
    Draft202012Validator.check_schema(json.loads(schema()))
    assert schema() == (ROOT / "docs" / "config.schema.json").read_text(encoding="utf-8")

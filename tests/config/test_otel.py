"""The standard variables fill what the file leaves out."""

import pytest

from exporter.config.load import parse
from exporter.config.types import Compression, Config, Protocol
from exporter.errors import ConfigError
from exporter.secrets import Secret

KEY = {"BYTESPIKE_API_KEY": "sk-byts-0123456789abcdef"}
LEAST = "accounts: [{name: prod, api_key_env: BYTESPIKE_API_KEY}]\n"
GENERAL = "OTEL_EXPORTER_OTLP_"
METRICS = "OTEL_EXPORTER_OTLP_METRICS_"


def config(text: str = "", **environ: str) -> Config:
    return parse(LEAST + text, KEY | environ)


def problems(**environ: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        config(**environ)
    return caught.value.problems


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("http://c:4318", "http://c:4318/v1/metrics"),
        ("http://c:4318//", "http://c:4318/v1/metrics"),
        ("http://c/otlp/", "http://c/otlp/v1/metrics"),
        ("http://vm:8428/opentelemetry/v1/metrics", "http://vm:8428/opentelemetry/v1/metrics"),
        ("http://c/v1/metrics/", "http://c/v1/metrics"),
    ],
)
def test_the_path_of_metrics_is_added_where_a_base_does_not_end_in_it(
    written: str, used: str
) -> None:
    assert config(f"otlp: {{endpoint: '{written}'}}\n").otlp.endpoint == used
    assert config(OTEL_EXPORTER_OTLP_ENDPOINT=written).otlp.endpoint == used


FILE = "otlp: {endpoint: 'https://f.example', protocol: http/protobuf}\n"
OTHER = {GENERAL + "ENDPOINT": "http://other:4318"}


@pytest.mark.parametrize(
    ("text", "environ", "used"),
    [
        ("", OTHER | {METRICS + "ENDPOINT": "http://c/x/"}, "http://c/x/"),
        ("", OTHER | {METRICS + "ENDPOINT": "http://c:4318"}, "http://c:4318/"),
        ("", OTHER | {METRICS + "ENDPOINT": ""}, "http://other:4318/v1/metrics"),
        (FILE, {METRICS + "ENDPOINT": "http://c/x"}, "https://f.example/v1/metrics"),
        (FILE, {GENERAL + "PROTOCOL": "grpc"}, "https://f.example/v1/metrics"),
        (FILE, {GENERAL + "ENDPOINT": "?"}, "https://f.example/v1/metrics"),
    ],
)
def test_the_file_wins_over_the_endpoint_for_metrics_and_that_over_the_general_one(
    text: str, environ: dict[str, str], used: str
) -> None:
    assert config(text, **environ).otlp.endpoint == used


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "http://localhost:4317"),
        ({GENERAL + "ENDPOINT": "http://c:4317/ignored"}, "http://c:4317"),
        ({GENERAL + "ENDPOINT": "c:4317"}, "https://c:4317"),
        ({GENERAL + "ENDPOINT": "c:4317", GENERAL + "INSECURE": "TRUE"}, "http://c:4317"),
        ({METRICS + "ENDPOINT": "c:1", METRICS + "INSECURE": "false"}, "https://c:1"),
        ({GENERAL + "ENDPOINT": "https://c:1", GENERAL + "INSECURE": "true"}, "https://c:1"),
    ],
)
def test_a_grpc_endpoint_has_a_scheme_and_no_path(environ: dict[str, str], expected: str) -> None:
    assert config(OTEL_EXPORTER_OTLP_PROTOCOL="grpc", **environ).otlp.endpoint == expected


TEAM = "otlp: {headers: {X-Team: file}}\n"


@pytest.mark.parametrize(
    ("text", "environ", "expected"),
    [
        ("", {GENERAL + "TIMEOUT": "2500"}, {"timeout": 2.5}),
        ("", {GENERAL + "TIMEOUT": " "}, {"timeout": 10.0}),
        ("", {"OTEL_METRIC_EXPORT_INTERVAL": "60000"}, {"interval": 60.0}),
        ("", {GENERAL + "PROTOCOL": "GRPC"}, {"protocol": Protocol.GRPC}),
        ("", {GENERAL + "COMPRESSION": "None"}, {"compression": Compression.NONE}),
        (
            TEAM,
            {GENERAL + "HEADERS": "x-team=env, Authorization = Basic%20a%3Db==,,"},
            {"headers": {"x-team": Secret("file"), "authorization": Secret("Basic a=b==")}},
        ),
        (
            "",
            {GENERAL + "HEADERS": "a=1", METRICS + "HEADERS": "b=2"},
            {"headers": {"b": Secret("2")}},
        ),
    ],
)
def test_milliseconds_words_in_any_case_and_headers_are_read(
    text: str, environ: dict[str, str], expected: dict[str, object]
) -> None:
    otlp = config(text, **environ).otlp
    assert {name: getattr(otlp, name) for name in expected} == expected


def test_resource_attributes_come_from_variables_service_name_and_file() -> None:
    got = config(
        "resource_attributes: {team: file}\n",
        OTEL_RESOURCE_ATTRIBUTES="team=env,service.name=a,zone=eu%20west",
        OTEL_SERVICE_NAME="b",
    ).resource_attributes
    assert got == {"team": "file", "service.name": "b", "zone": "eu west"}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (GENERAL + "PROTOCOL", "http/json", '"http/json" is not one of http/protobuf, grpc'),
        (METRICS + "COMPRESSION", "zstd", '"zstd" is not one of gzip, none'),
        (GENERAL + "TIMEOUT", "10s", '"10s" is not a whole number of milliseconds'),
        (GENERAL + "TIMEOUT", "0", '"0ms" is not a duration from 100ms to 10m'),
        ("OTEL_METRIC_EXPORT_INTERVAL", "-1", '"-1" is not a whole number of milliseconds'),
        (
            GENERAL + "ENDPOINT",
            "c:4318",
            "is not an http or https URL, such as https://gateway.example:8443",
        ),
        (METRICS + "CERTIFICATE", "no/ca.pem", '"no/ca.pem" is not a file'),
        (GENERAL + "HEADERS", "a=1,SECRET-MARK", "member 2 is not name=value"),
        (GENERAL + "HEADERS", "authorization=SECRET-MARK%0A", "member 1 is not name=value"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=", "member 1 is not a text of 1 to 1000 characters"),
        ("OTEL_SERVICE_NAME", "a\udcff", "holds a control character or is not UTF-8"),
    ],
)
def test_a_useless_variable_is_a_problem_under_its_name(
    name: str, value: str, message: str
) -> None:
    assert problems(**{name: value}) == (f"{name}: {message}",)


def test_a_certificate_without_its_key_is_a_problem() -> None:
    path = "tests/config/client.pem"
    environ = {GENERAL + "CLIENT_CERTIFICATE": path}
    assert problems(**environ) == ("otlp.client_certificate: needs otlp.client_key beside it",)


def test_an_exporter_that_sends_nothing_does_not_care_for_otlp_variables() -> None:
    got = config("otlp: {endpoint: ''}\n", OTEL_EXPORTER_OTLP_PROTOCOL="http/json")
    assert got.otlp.endpoint == ""

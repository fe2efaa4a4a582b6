"""The standard `OTEL_*` variables, for what the file leaves out.

The variable for metrics wins over the general one; an empty variable counts as unset; times are
in milliseconds (OpenTelemetry specification, "OpenTelemetry Protocol Exporter" and "Environment
Variable Specification"). A variable that cannot be used is a problem under its own name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from exporter.config import values
from exporter.config.kinds import (
    DEFAULTS,
    FLAG,
    INTERVAL,
    PEM,
    TIMEOUT,
    Kind,
    attribute,
    header,
)
from exporter.config.problems import Problems, quoted
from exporter.config.tree import unwanted
from exporter.config.types import Compression, Protocol
from exporter.config.walk import Values

METRICS_PATH = "/v1/metrics"
_GRPC_DEFAULT = "http://localhost:4317"


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable, the most specific of its names first, and the setting that it stands in for.

    `parse` is None where more than one text of one setting is involved.
    """

    names: tuple[str, ...]
    place: str
    about: str
    parse: Callable[[str], object] | None = None


def _names(rest: str) -> tuple[str, str]:
    return f"OTEL_EXPORTER_OTLP_METRICS_{rest}", f"OTEL_EXPORTER_OTLP_{rest}"


def _milliseconds(kind: Kind) -> Callable[[str], object]:
    def read(text: str) -> object:
        if not re.fullmatch(r"[0-9]{1,12}", text):
            raise ValueError(f"{quoted(text)} is not a whole number of milliseconds")
        return kind.parse(f"{text}ms")

    return read


def _word(kind: type[Protocol] | type[Compression]) -> Callable[[str], object]:
    def read(text: str) -> object:
        if text.lower() not in tuple(kind):
            raise ValueError(f"{quoted(text)} is not one of {', '.join(kind)}")
        return kind(text.lower())

    return read


PROTOCOL = Variable(
    _names("PROTOCOL"), "otlp.protocol", "`http/protobuf` or `grpc`.", _word(Protocol)
)
ENDPOINT = Variable(
    _names("ENDPOINT"),
    "otlp.endpoint",
    "For HTTP, `/v1/metrics` is added to the general one; the one for metrics is used as it is.",
)
INSECURE = Variable(
    _names("INSECURE"),
    "otlp.endpoint",
    "`true` or `false`: whether a gRPC endpoint without `http://` or `https://` is plain text.",
)
HEADERS = Variable(
    _names("HEADERS"),
    "otlp.headers",
    "`name=value,name=value`, percent-encoded. Headers of the same name in the file win.",
)
SERVICE_NAME = Variable(
    ("OTEL_SERVICE_NAME",), "resource_attributes", "The attribute `service.name`."
)
ATTRIBUTES = Variable(
    ("OTEL_RESOURCE_ATTRIBUTES",),
    "resource_attributes",
    "`name=value,name=value`, percent-encoded. `OTEL_SERVICE_NAME` and the file win.",
)
_SIMPLE = (
    PROTOCOL,
    Variable(_names("COMPRESSION"), "otlp.compression", "`gzip` or `none`.", _word(Compression)),
    Variable(
        _names("TIMEOUT"),
        "otlp.timeout",
        "Milliseconds.",
        _milliseconds(TIMEOUT),
    ),
    Variable(
        ("OTEL_METRIC_EXPORT_INTERVAL",),
        "otlp.interval",
        "Milliseconds.",
        _milliseconds(INTERVAL),
    ),
    Variable(_names("CERTIFICATE"), "otlp.certificate", "Path of a PEM file.", PEM.parse),
    Variable(
        _names("CLIENT_CERTIFICATE"), "otlp.client_certificate", "Path of a PEM file.", PEM.parse
    ),
    Variable(_names("CLIENT_KEY"), "otlp.client_key", "Path of a PEM file.", PEM.parse),
)
VARIABLES = (ENDPOINT, INSECURE, HEADERS, *_SIMPLE, SERVICE_NAME, ATTRIBUTES)


class Environment:
    """The variables of one process, read with the problems noted."""

    def __init__(self, environ: Mapping[str, str], problems: Problems) -> None:
        self._environ = environ
        self._problems = problems

    def find(self, variable: Variable) -> tuple[str, str] | None:
        """The name that is set, and its text; None where none of them is."""
        for name in variable.names:
            text = self._environ.get(name, "").strip()
            if unwanted(text):
                self._problems.add(name, "holds a control character or is not UTF-8")
                return None
            if text:
                return name, text
        return None

    def read(self, variable: Variable, parse: Callable[[str], object]) -> object:
        """The value of a variable; None where it is unset or useless."""
        found = self.find(variable)
        if found is None:
            return None
        try:
            return parse(found[1])
        except ValueError as error:
            self._problems.add(found[0], str(error))
            return None

    def pairs(
        self, variable: Variable, entry: Callable[[str, str], tuple[str, object]]
    ) -> Iterator[tuple[str, object]]:
        """The members of `name=value,name=value`, percent-decoded, values never quoted back."""
        name, text = self.find(variable) or ("", "")
        for number, member in enumerate(text.split(","), 1):
            key, equals, value = (unquote(part.strip()) for part in member.partition("="))
            if not member.strip():
                continue
            try:
                if not equals or unwanted(key + value):
                    raise ValueError("is not name=value")
                yield entry(key, value)
            except ValueError as error:
                self._problems.add(name, f"member {number} {error}")


def complete(given: Values, environ: Mapping[str, str], problems: Problems) -> None:
    """Fill what the file leaves out of `given`, and make the endpoint the URL that is used.

    An exporter that sends nothing does not care for the variables of the OTLP exporter.
    """
    environment = Environment(environ, problems)
    if given.get(ENDPOINT.place) != "":
        _complete_otlp(given, environment, problems)
    attributes = dict(environment.pairs(ATTRIBUTES, attribute))
    service = environment.find(SERVICE_NAME)
    if service:
        attributes["service.name"] = service[1]
    _add(given, ATTRIBUTES.place, attributes)


def _complete_otlp(given: Values, environment: Environment, problems: Problems) -> None:
    for variable in _SIMPLE:
        if variable.place not in given and variable.parse is not None:
            value = environment.read(variable, variable.parse)
            if value is not None:
                given[variable.place] = value
    protocol = given.get(PROTOCOL.place, DEFAULTS.otlp.protocol)
    given[ENDPOINT.place] = _endpoint(given, protocol is Protocol.GRPC, environment, problems)
    _add(given, HEADERS.place, dict(environment.pairs(HEADERS, header)))


def _add(given: Values, place: str, from_environment: dict[str, object]) -> None:
    """Put pairs of the environment below those of the file."""
    from_file = given.get(place)
    given[place] = from_environment | (from_file if isinstance(from_file, dict) else {})


def _endpoint(given: Values, grpc: bool, environment: Environment, problems: Problems) -> str:
    """The URL of the file, else of the environment, else the protocol's default."""
    if ENDPOINT.place in given:
        return _from_file(str(given[ENDPOINT.place]), grpc, problems)
    default = _GRPC_DEFAULT if grpc else DEFAULTS.otlp.endpoint
    name, text = environment.find(ENDPOINT) or ("", "")
    if not name:
        return default
    if grpc and "://" not in text:
        insecure = environment.read(INSECURE, FLAG.parse)
        text = f"{'http' if insecure else 'https'}://{text}"
    try:
        address = values.url(text)
    except ValueError as error:
        problems.add(name, str(error))
        return default
    if grpc:
        return _without_path(address)
    if name == ENDPOINT.names[0]:
        return text if urlsplit(text).path else f"{text}/"
    return address + METRICS_PATH


def _from_file(address: str, grpc: bool, problems: Problems) -> str:
    path = urlsplit(address).path
    if grpc and path:
        problems.add(ENDPOINT.place, "has a path, which gRPC does not use; leave it out")
    return address if grpc or path else address + METRICS_PATH


def _without_path(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"

"""The standard `OTEL_*` variables, for what the file leaves out.

The variable for metrics wins over the general one; an empty variable counts as unset; times are
in milliseconds (OpenTelemetry specification, "OpenTelemetry Protocol Exporter" and "Environment
Variable Specification"). A variable that cannot be used is a problem under its own name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from exporter.config.kinds import ATTRIBUTES, FLAG, HEADERS, URL, Kind, MappingOf
from exporter.config.mistakes import Mistake, Problems, quoted
from exporter.config.nodes import unwanted
from exporter.config.settings import SETTINGS, Given
from exporter.config.types import Otlp, Protocol

METRICS_PATH = "/v1/metrics"
_GRPC_DEFAULT = "http://localhost:4317"


class Variable(Struct, frozen=True):
    """A variable, the most specific of its names first, and the setting that it stands in for.

    `convert` makes the text of the setting of the variable's, and may raise Mistake.
    """

    names: tuple[str, ...]
    setting: str
    about: str
    convert: Callable[[str], str] = str


def _otlp(name: str, setting: str, about: str, convert: Callable[[str], str] = str) -> Variable:
    names = (f"OTEL_EXPORTER_OTLP_METRICS_{name}", f"OTEL_EXPORTER_OTLP_{name}")
    return Variable(names, f"otlp.{setting}", about, convert)


def _milliseconds(text: str) -> str:
    if not re.fullmatch("[0-9]{1,12}", text):
        raise Mistake(f"{quoted(text)} is not a whole number of milliseconds")
    return f"{text}ms"


ENDPOINT = _otlp(
    "ENDPOINT",
    "endpoint",
    "For HTTP, `/v1/metrics` is added to the general one; the one for metrics is used as it is.",
)
INSECURE = _otlp(
    "INSECURE",
    "endpoint",
    "`true` or `false`: whether a gRPC endpoint without `http://` or `https://` is plain text.",
)
HEADERS_VARIABLE = _otlp(
    "HEADERS",
    "headers",
    "`name=value,name=value`, percent-encoded. Headers of the same name in the file win.",
)
SERVICE_NAME = Variable(
    ("OTEL_SERVICE_NAME",), "resource_attributes", "The attribute `service.name`."
)
ATTRIBUTES_VARIABLE = Variable(
    ("OTEL_RESOURCE_ATTRIBUTES",),
    "resource_attributes",
    "`name=value,name=value`, percent-encoded. `OTEL_SERVICE_NAME` and the file win.",
)
_SIMPLE = (
    _otlp("PROTOCOL", "protocol", "`http/protobuf` or `grpc`.", str.lower),
    _otlp("COMPRESSION", "compression", "`gzip` or `none`.", str.lower),
    _otlp("TIMEOUT", "timeout", "Milliseconds.", _milliseconds),
    Variable(("OTEL_METRIC_EXPORT_INTERVAL",), "otlp.interval", "Milliseconds.", _milliseconds),
    _otlp("CERTIFICATE", "certificate", "Path of a PEM file."),
    _otlp("CLIENT_CERTIFICATE", "client_certificate", "Path of a PEM file."),
    _otlp("CLIENT_KEY", "client_key", "Path of a PEM file."),
)
VARIABLES = (ENDPOINT, INSECURE, HEADERS_VARIABLE, *_SIMPLE, SERVICE_NAME, ATTRIBUTES_VARIABLE)


def complete(given: Given, environ: Mapping[str, str], problems: Problems) -> None:
    """Fill what the file leaves out of `given`, and make the endpoint the URL that is used.

    An exporter that sends nothing does not care for the variables of the OTLP exporter.
    """
    environment = _Environment(environ, problems)
    attributes = environment.pairs(ATTRIBUTES_VARIABLE, ATTRIBUTES)
    _, service = environment.find(SERVICE_NAME)
    if service:
        attributes["service.name"] = service
    top, otlp = given[""], given.setdefault("otlp", {})
    top["resource_attributes"] = attributes | top.get("resource_attributes", {})
    if otlp.get("endpoint") == "":
        return
    for variable in _SIMPLE:
        setting = SETTINGS["otlp"][variable.setting.removeprefix("otlp.")]
        if setting.key not in otlp and isinstance(setting.kind, Kind):
            value = environment.read(variable, setting.kind)
            if value is not None:
                otlp[setting.key] = value
    otlp["headers"] = environment.pairs(HEADERS_VARIABLE, HEADERS) | otlp.get("headers", {})
    grpc = otlp.get("protocol") is Protocol.GRPC
    if "endpoint" not in otlp:
        otlp["endpoint"] = environment.endpoint(grpc)
    elif not grpc:
        otlp["endpoint"] = metrics_url(otlp["endpoint"])
    elif urlsplit(otlp["endpoint"]).path:
        problems.add("otlp.endpoint", "has a path, which gRPC does not use; leave it out")


def metrics_url(url: str) -> str:
    """Where OTLP over HTTP sends metrics, for a URL as `URL` reads it."""
    return url if url.endswith(METRICS_PATH) else url + METRICS_PATH


class _Environment:
    """The variables of one process, read with the problems noted."""

    def __init__(self, environ: Mapping[str, str], problems: Problems) -> None:
        self._environ = environ
        self._problems = problems

    def find(self, variable: Variable) -> tuple[str, str]:
        """The name that is set, and its text; both "" where none is or it is useless."""
        for name in variable.names:
            text = self._environ.get(name, "").strip()
            if unwanted(text):
                self._problems.add(name, "holds a control character or is not UTF-8")
                break
            if text:
                return name, text
        return "", ""

    def read(self, variable: Variable, kind: Kind) -> Any:
        """The value of a variable; None where it is unset or useless."""
        name, text = self.find(variable)
        if not name:
            return None
        try:
            return kind.read(variable.convert(text))
        except Mistake as mistake:
            self._problems.add(name, str(mistake))
            return None

    def pairs(self, variable: Variable, kind: MappingOf) -> dict[str, Any]:
        """The members of `name=value,name=value`, percent-decoded, values never quoted back."""
        pairs = {}
        name, text = self.find(variable)
        for number, member in enumerate(text.split(","), 1):
            key, equals, value = (unquote(part.strip()) for part in member.partition("="))
            if not member.strip():
                continue
            try:
                if not equals or unwanted(key + value):
                    raise Mistake("is not name=value")
                pairs[kind.key.read(key)] = kind.item.read(value)
            except Mistake as mistake:
                self._problems.add(name, f"member {number} {mistake}")
        return pairs

    def endpoint(self, grpc: bool) -> str:
        """The URL that the variables give, else the protocol's default."""
        default = _GRPC_DEFAULT if grpc else Otlp().endpoint
        name, text = self.find(ENDPOINT)
        if not name:
            return default
        if grpc and "://" not in text:
            text = f"{'http' if self.read(INSECURE, FLAG) else 'https'}://{text}"
        try:
            url: str = URL.read(text)
        except Mistake as mistake:
            self._problems.add(name, str(mistake))
            return default
        parts = urlsplit(url)
        if grpc:
            return f"{parts.scheme}://{parts.netloc}"
        if name == ENDPOINT.names[0]:
            return text if urlsplit(text).path else f"{text}/"
        return metrics_url(url)

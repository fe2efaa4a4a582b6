"""A receiver: where requests go, what its answers mean, and what may be shown of it.

The SDK takes every status below 400 for success.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

import msgspec
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)

from exporter.secrets import HIDDEN, redact, shown_url
from exporter.status import ExportOutcome

MAX_SHOWN = 200
"""No more characters than this of what a receiver says are shown."""

_MAX_READ = 4096

_REFUSED = frozenset({400, 413, 422})
"""The points themselves are refused; everything else may pass."""

_ADVICE = {
    400: "it takes these points for invalid",
    401: "are the credentials in otlp.headers right?",
    403: "may the credentials in otlp.headers write metrics?",
    404: "is otlp.endpoint a base URL with the right path?",
    405: "is otlp.endpoint a base URL with the right path?",
    407: "the proxy in front asks for credentials",
    408: "it is slow; the next interval sends everything again",
    413: "its limit for one request is too small for us",
    415: "does it take OTLP as protobuf, and otlp.compression?",
    422: "it takes these points for invalid",
    429: "it limits what it takes; the next interval sends everything again",
}
_UNREADABLE = (DecodeError, json_format.Error, ValueError, ArithmeticError, RecursionError)
_SERVER_ADVICE = "the receiver is in trouble; the next interval sends everything again"


class Receiver:
    """One receiver, the same for HTTP and gRPC.

    `headers` have names in lower case; their values are secrets. `shown` is the URL as it may
    appear in a message.
    """

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self.url = url
        self.shown = shown_url(url)
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.secure = url.lower().startswith("https://")
        secrets = {form for value in headers.values() for form in _forms(value)}
        self._secrets = sorted(filter(None, secrets), key=len, reverse=True)

    def clean(self, said: str) -> str:
        """What it says as one printable line of at most `MAX_SHOWN` characters, without secrets."""
        said = said[:_MAX_READ]
        for secret in self._secrets:
            said = said.replace(secret, HIDDEN)
        said = redact(said)
        said = " ".join("".join(c if c.isprintable() else " " for c in said).split())
        return said if len(said) <= MAX_SHOWN else said[: MAX_SHOWN - 1] + "…"

    def told(self, what: str, advice: str, said: str) -> str:
        """`what` happened, what to do about it, and what the receiver said of it."""
        reason = self.clean(said)
        more = "; ".join(filter(None, (advice, f"it says: {reason}" if reason else "")))
        return f"{what}: {more}" if more else what


def _forms(value: str) -> Iterable[str]:
    """A header value, the part after its scheme, and what HTTP Basic hides in that."""
    value = value.strip()
    _, _, credentials = value.partition(" ")
    yield value
    yield credentials.strip()
    if value.lower().startswith("basic "):
        try:
            pair = base64.b64decode(credentials, validate=True).decode()
        except (binascii.Error, ValueError):
            return
        yield pair
        yield pair.partition(":")[2]


class ExportResult(msgspec.Struct, frozen=True):
    """How one export ended.

    `error` says what happened and what to do, None on success. `data_refused`: the receiver
    answered and refused (some of) the points themselves, so that sending them again is no use.
    `warning` is what a receiver said although it took every point.
    """

    outcome: ExportOutcome
    error: str | None = None
    data_refused: bool = False
    warning: str | None = None


def success(warning: str | None = None) -> ExportResult:
    """Every point was accepted."""
    return ExportResult(ExportOutcome.SUCCESS, warning=warning)


def partial(error: str) -> ExportResult:
    """Some points were accepted and some were refused for good."""
    return ExportResult(ExportOutcome.PARTIAL, error, data_refused=True)


def failure(error: str, *, data_refused: bool = False) -> ExportResult:
    """No point is known to be accepted."""
    return ExportResult(ExportOutcome.FAILURE, error, data_refused)


class HttpAnswer(msgspec.Struct, frozen=True):
    """One HTTP answer: `body` as far as it was read, `whole` if that is all of it."""

    status: int
    content_type: str
    body: bytes
    whole: bool = True
    location: str | None = None


def judge_http(answer: HttpAnswer, receiver: Receiver) -> ExportResult:
    said = f"the receiver answered {answer.status} at {receiver.shown}"
    if 200 <= answer.status < 300:
        return _accepted(answer, said, receiver)
    if 300 <= answer.status < 400:
        return failure(f"{said}: {_redirected(answer, receiver)}")
    refused = answer.status in _REFUSED
    advice = _ADVICE.get(answer.status) or (_SERVER_ADVICE if answer.status >= 500 else "")
    return failure(receiver.told(said, advice, _reason(answer)), data_refused=refused)


def judge_response(response: ExportMetricsServiceResponse, receiver: Receiver) -> ExportResult:
    """The result that an OTLP answer tells."""
    rejected = response.partial_success.rejected_data_points
    reason = receiver.clean(response.partial_success.error_message)
    if rejected > 0:
        return partial(
            f"the receiver rejected {rejected} points: {reason or 'it does not say why'}"
        )
    return success(warning=reason or None)


def _accepted(answer: HttpAnswer, said: str, receiver: Receiver) -> ExportResult:
    """A 2xx is what its body says; one that no OTLP receiver gives is no success."""
    if not answer.whole:
        return failure(f"{said} with a body too large for OTLP: is otlp.endpoint an OTLP receiver?")
    if "html" in answer.content_type.lower():
        return failure(f"{said} with a web page: is otlp.endpoint an OTLP receiver?")
    response = ExportMetricsServiceResponse()
    return judge_response(response, receiver) if _read(answer, response) else success()


def _redirected(answer: HttpAnswer, receiver: Receiver) -> str:
    target = receiver.clean(shown_url(answer.location)) if answer.location else "nowhere"
    return f"redirects (here to {target}) are not followed, set otlp.endpoint to the final address"


def _reason(answer: HttpAnswer) -> str:
    """The message of a `google.rpc.Status`, which OTLP prescribes for errors; else nothing."""
    if "protobuf" not in answer.content_type and not _is_json(answer):
        return ""
    from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # noqa: PLC0415

    status = Status()
    return str(status.message) if _read(answer, status) else ""


def _read(answer: HttpAnswer, message: Message) -> bool:
    """Read the body, protobuf or JSON, into `message`; False where it is neither."""
    try:
        if _is_json(answer):
            json_format.Parse(answer.body, message, ignore_unknown_fields=True)
        else:
            message.ParseFromString(answer.body)
    except _UNREADABLE:
        return False
    return True


def _is_json(answer: HttpAnswer) -> bool:
    return answer.body.lstrip()[:1] == b"{"

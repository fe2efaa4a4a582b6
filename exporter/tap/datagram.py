"""One response as others report it: a small JSON object in a datagram (see docs/tap.md).

Senders are not trusted: whatever arrives becomes a bounded `Observation` or a `DatagramError`.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from exporter.errors import ExporterError
from exporter.gateway.envelope import instant, number, read_envelope
from exporter.gateway.readings import QUOTA_HEADERS, Envelope, Observation, Source
from exporter.secrets import looks_like_key, redact

MAX_BYTES: Final = 2048
"""The largest datagram that is read, its syslog header included."""

MAX_MODEL: Final = 200
"""The longest name of a model, in characters."""

_MASKED: Final = re.compile(r"(sk-byts-)?…([!-~]{4})?")
"""What `Secret.masked` gives."""

_NOTHING: Final = msgspec.Raw(b"null")
_UNSAID: Final = (b"", b"-", b"null")


class DatagramError(ExporterError):
    """A datagram that is not understood. The message is one of a few and never quotes it.

    `source` is who says that it saw the response, None where it does not say.
    """

    source: Source | None = None


class _Report(msgspec.Struct, frozen=True):
    """The members that are read, as they are written. Numbers stay text: loggers quote them."""

    key: str | None = None
    source: str | None = None
    model: str | None = None
    status: msgspec.Raw = _NOTHING
    at: msgspec.Raw = _NOTHING
    limit: msgspec.Raw = msgspec.field(default=_NOTHING, name="x-ratelimit-limit")
    remaining: msgspec.Raw = msgspec.field(default=_NOTHING, name="x-ratelimit-remaining")
    reset: msgspec.Raw = msgspec.field(default=_NOTHING, name="x-ratelimit-reset")
    quota: msgspec.Raw = msgspec.field(default=_NOTHING, name="x-quota-remaining-credits")
    org_quota: msgspec.Raw = msgspec.field(default=_NOTHING, name="x-org-quota-remaining-credits")


_DECODER: Final = msgspec.json.Decoder(_Report)


def decode(datagram: bytes, now: float) -> Observation:
    """What a datagram reports, observed at `now` (Unix s) unless it says when.

    Raises DatagramError.
    """
    report = _report(datagram)
    source = _source(report.source)
    try:
        return _observation(report, source or Source.LOG, now)
    except DatagramError as error:
        error.source = source
        raise


def _report(datagram: bytes) -> _Report:
    if len(datagram) > MAX_BYTES:
        raise DatagramError(f"it is longer than {MAX_BYTES} bytes")
    try:
        text = datagram.decode()
    except UnicodeDecodeError:
        raise DatagramError("it is not UTF-8") from None
    if looks_like_key(text):
        raise DatagramError("it holds a whole API key, of which only the masked form may be sent")
    if text.startswith("<"):  # a syslog header
        text = text[text.find("{") :]
    try:
        return _DECODER.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        # Not chained: msgspec's message may quote the datagram.
        raise DatagramError("it is not a JSON object with members of the right types") from None


def _source(said: str | None) -> Source | None:
    if not said or said == "-":
        return None
    try:
        return Source(said)
    except ValueError:
        raise DatagramError("its source is none of hook, proxy and log") from None


def _observation(report: _Report, source: Source, now: float) -> Observation:
    key = report.key
    if key is None or not _MASKED.fullmatch(key):
        raise DatagramError("its key is missing or not in the masked form, like sk-byts-…9f3c")
    at = _at(_text(report.at), now)
    said = {
        "limit": report.limit,
        "remaining": report.remaining,
        "reset_at": report.reset,
        "key_quota_remaining": report.quota,
        "org_quota_remaining": report.org_quota,
    }
    texts = {QUOTA_HEADERS[member].encode(): _text(raw) for member, raw in said.items()}
    headers = {name: text for name, text in texts.items() if text not in _UNSAID}
    return Observation(
        source=source,
        status=_status(_text(report.status)),
        envelope=read_envelope(headers, key, at) or Envelope(observed_at=at, key_id=key),
        model=_model(report.model),
    )


def _text(raw: msgspec.Raw) -> bytes:
    """A number as it is written, whether or not in quotes."""
    written = bytes(raw)
    return written[1:-1] if written.startswith(b'"') else written


def _at(text: bytes, now: float) -> float:
    if text in _UNSAID:
        return now
    at = instant(text)
    if at is None:
        raise DatagramError('its "at" is not a time in Unix seconds')
    return at


def _status(text: bytes) -> int:
    status = number(text)
    if status is None or status != int(status) or not 100 <= status <= 599:
        raise DatagramError("its status is missing or not one of HTTP's, 100 to 599")
    return int(status)


def _model(said: str | None) -> str | None:
    if not said or said == "-":
        return None
    if len(said) > MAX_MODEL or not said.isprintable():
        raise DatagramError(f"its model is not a name of at most {MAX_MODEL} printable characters")
    if looks_like_key(said) or redact(said) != said:
        raise DatagramError("its model is an API key, of which only the masked form may be sent")
    return said

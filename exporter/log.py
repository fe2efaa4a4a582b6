"""The log: one handler, lines for people or for machines, and no secret in any of them.

Libraries are quiet by design, not by luck. Only the logger `exporter` follows `log.level`; all
others stay at warnings, and those that would write URLs, headers or bodies are raised further:
httpx logs each URL with its query at info, httpcore each header with its key at debug, urllib3
each path with its query even in warnings, and the OTLP exporters the body of a refusal at error,
which `exporter.otlp` reports anyway, in its own words.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from math import isfinite
from types import TracebackType
from typing import TextIO

from exporter.secrets import redact

ROOT = "exporter"

_OFF = logging.CRITICAL + 1
_LIBRARIES = {
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "requests": logging.ERROR,
    "urllib3": logging.ERROR,
    "opentelemetry": _OFF,
    "grpc": _OFF,
    "asyncio": logging.WARNING,
}
_STANDARD = frozenset(
    (*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName", "color_message")
)


def configure(level: str, format: str, stream: TextIO | None = None) -> None:
    """Send the log to `stream`, by default the standard error, from now on.

    `level` and `format` as in `exporter.config.types.Log`. May be called again, for a reload.
    """
    handler = _Handler(stream if stream is not None else sys.stderr)
    handler.setFormatter(JsonFormatter() if format == "json" else TextFormatter())
    root = logging.getLogger()
    for old in [one for one in root.handlers if isinstance(one, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(ROOT).setLevel(level.upper())
    for name, least in _LIBRARIES.items():
        logging.getLogger(name).setLevel(least)
    logging.captureWarnings(True)


def log_uncaught() -> None:
    """Write exceptions that nothing caught, in any thread, to the log instead of raw to stderr."""
    logger = logging.getLogger(ROOT)

    def of_main(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            logger.critical("Stopped by an error in the exporter", exc_info=(kind, error, trace))

    def of_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
            logger.error(
                "A thread stopped by an error in the exporter",
                exc_info=(args.exc_type, args.exc_value, args.exc_traceback),
            )

    sys.excepthook = of_main
    threading.excepthook = of_thread


class _Handler(logging.StreamHandler[TextIO]):
    """Writes lines whatever the stream's encoding, and never fails the caller."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        return line.encode(encoding, "backslashreplace").decode(encoding)

    def handleError(self, record: logging.LogRecord) -> None:
        """Lose the line. The standard way prints the arguments, unredacted, to stderr."""


def _message(record: logging.LogRecord) -> str:
    """The message. A call whose arguments do not fit it must not cost the line."""
    try:
        return record.getMessage()
    except Exception:
        return f"{record.msg} (arguments do not fit, {record.filename}:{record.lineno})"


def _extras(record: logging.LogRecord) -> dict[str, str | int | float | bool | None]:
    """What was passed as `extra`, in plain types and without secrets."""
    extras: dict[str, str | int | float | bool | None] = {}
    for name, value in record.__dict__.items():
        if name not in _STANDARD:
            number = type(value) in (int, bool) or (type(value) is float and isfinite(value))
            extras[name] = value if value is None or number else redact(str(value))
    return extras


def _time(record: logging.LogRecord) -> str:
    instant = datetime.fromtimestamp(record.created, UTC)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Formatter(logging.Formatter):
    """What both formats share: redaction of the finished text, tracebacks included."""

    def exception(self, record: logging.LogRecord) -> str:
        """The traceback, empty where there is none."""
        text = self.formatException(record.exc_info) if record.exc_info else ""
        return redact(text)


class TextFormatter(_Formatter):
    """`2026-05-21T14:08:11.123Z info  Polled account=prod`, tracebacks indented below."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and those of the traceback."""
        words = [
            _time(record),
            f"{record.levelname.lower():7}",
            _one_line(redact(_message(record))),
        ]
        words += [f"{name}={_quote(str(value))}" for name, value in _extras(record).items()]
        trace = self.exception(record)
        lines = [" ".join(words), *(f"    {line}" for line in trace.splitlines())]
        return "\n".join(lines)


def _one_line(text: str) -> str:
    """Control characters as escapes: what a gateway sends must not forge lines of the log."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _quote(text: str) -> str:
    """A value that a reader can tell from what follows it."""
    if text and text.isprintable() and not any(c in text for c in ' "='):
        return text
    return json.dumps(text, ensure_ascii=False) if text.isprintable() else json.dumps(text)


class JsonFormatter(_Formatter):
    """One object a line: `time`, `level`, `logger`, `message`, extras and `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        entry: dict[str, str | int | float | bool | None] = {
            **_extras(record),
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(_message(record)),
        }
        trace = self.exception(record)
        if trace:
            entry["exception"] = trace
        return json.dumps(entry)

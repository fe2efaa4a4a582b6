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
from types import TracebackType
from typing import TextIO

from exporter.secrets import printable, redact

ROOT = "exporter"

_OFF = logging.CRITICAL + 1
_TRACEBACKS = logging.Formatter()
_LIBRARIES = {
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "requests": logging.ERROR,
    "urllib3": logging.ERROR,
    "opentelemetry": _OFF,
    "grpc": _OFF,
    "asyncio": logging.WARNING,
}


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


class TextFormatter(logging.Formatter):
    """`2026-05-21T14:08:11.123Z info    Polled`, tracebacks indented below."""

    def format(self, record: logging.LogRecord) -> str:
        event = _event(record)
        message = printable(event["message"])  # what a gateway sends must not forge lines
        line = f"{event['time']} {event['level']:7} {message}"
        trace = event.get("exception", "").splitlines()
        return "\n".join([line, *(f"    {below}" for below in trace)])


class JsonFormatter(logging.Formatter):
    """One object a line: `time`, `level`, `logger`, `message` and `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(_event(record))


def _event(record: logging.LogRecord) -> dict[str, str]:
    """What both formats tell, without secrets: redacted as a finished text, traceback included."""
    try:
        message = record.getMessage()
    except Exception:  # arguments that do not fit must not cost the line
        place = f"{record.filename}:{record.lineno}"
        message = f"{record.msg} (arguments do not fit, {place})"
    at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    event = {
        "time": at.replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": redact(message),
    }
    if record.exc_info:
        event["exception"] = redact(_TRACEBACKS.formatException(record.exc_info))
    return event

"""The log: readable, one event a line, and safe to paste."""

import io
import json
import logging
import socket
import sys
import threading
import warnings
from collections.abc import Iterator

import httpx
import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from exporter import secrets as redaction
from exporter.log import JsonFormatter, TextFormatter, configure, log_uncaught
from exporter.secrets import Secret, protect, redact

KEY = "sk-byts-SECRETMARK0123456789"
LOGGER = logging.getLogger("exporter.test")


@pytest.fixture(autouse=True)
def unchanged_logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put the process's logging back as it was."""
    monkeypatch.setattr(redaction, "_protected", set())
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    known = {name: logging.getLogger(name).level for name in list(logging.root.manager.loggerDict)}
    yield
    logging.captureWarnings(False)
    root.handlers, root.level = handlers, level
    for name in list(logging.root.manager.loggerDict):
        logging.getLogger(name).setLevel(known.get(name, logging.NOTSET))


def written(format: str = "text", level: str = "debug") -> io.StringIO:
    stream = io.StringIO()
    configure(level, format, stream)
    return stream


def record(message: str, *args: object) -> logging.LogRecord:
    made = logging.LogRecord("exporter.x", logging.INFO, "x.py", 7, message, args, None)
    made.created = 1_779_372_491.123
    return made


def test_a_text_line_has_time_level_and_message() -> None:
    line = TextFormatter().format(record("Polled %s", "usage"))
    assert line == "2026-05-21T14:08:11.123Z info    Polled usage"


def test_a_json_line_is_one_object() -> None:
    line = JsonFormatter().format(record("Polled %s", "usage"))
    assert json.loads(line) == {
        "time": "2026-05-21T14:08:11.123Z",
        "level": "info",
        "logger": "exporter.x",
        "message": "Polled usage",
    }


def test_what_a_gateway_sends_cannot_forge_a_line() -> None:
    text = TextFormatter().format(record("said %s", "a\nb\x1b[31m\u2028"))
    assert text.splitlines() == [text]
    assert len(JsonFormatter().format(record("said %s", "a\nb\u2028")).splitlines()) == 1


@pytest.mark.parametrize("format", ["text", "json"])
def test_a_key_is_cut_out_of_message_arguments_and_traceback(format: str) -> None:
    stream = written(format)
    LOGGER.info("plain %s", KEY)
    LOGGER.info(KEY)
    LOGGER.info("split sk-byts-%s", KEY.removeprefix("sk-byts-"))
    try:
        try:
            raise ValueError(f"inner {KEY}")
        except ValueError as error:
            raise RuntimeError({"x-api-key": KEY}) from error
    except RuntimeError:
        LOGGER.exception("failed")
    assert stream.getvalue().count("sk-byts-…" if format == "text" else "sk-byts-\\u2026") == 5
    assert "SECRETMARK" not in stream.getvalue()
    assert "Traceback" in stream.getvalue()


@pytest.mark.parametrize("format", ["text", "json"])
def test_a_protected_value_is_cut_out_in_whole_and_in_part(format: str) -> None:
    protect(Secret('Bearer top"secret-é'))
    stream = written(format)
    LOGGER.warning('sent Bearer top"secret-é and %s', {"authorization": 'top"secret-é'})
    assert "secret" not in stream.getvalue()
    assert "sent" in stream.getvalue()


def test_short_words_are_not_cut_out() -> None:
    protect(Secret("Basic abc"))
    assert redact("Basic words, abc") == "Basic words, abc"


@given(st.text(), st.text(alphabet="abcXYZ019_-", min_size=8), st.text())
def test_no_key_survives_whatever_stands_around_it(before: str, rest: str, after: str) -> None:
    assert f"sk-byts-{rest}" not in redact(f"{before}sk-byts-{rest}{after}")


def test_wrong_arguments_do_not_cost_the_line_or_the_caller() -> None:
    line = TextFormatter().format(record("%d rows of %s", "many"))
    assert "%d rows of %s (arguments do not fit, x.py:7)" in line


def test_a_broken_stream_does_not_fail_the_caller(capsys: pytest.CaptureFixture[str]) -> None:
    stream = written()
    stream.close()
    LOGGER.info("to nowhere %s", KEY)
    assert capsys.readouterr().err == ""


def test_a_stream_that_cannot_spell_a_character_gets_an_escape() -> None:
    binary = io.BytesIO()
    stream = io.TextIOWrapper(binary, encoding="ascii")
    configure("info", "text", stream)
    LOGGER.info("Grün")
    stream.flush()
    assert b"Gr\\xfcn" in binary.getvalue()


def test_the_level_is_that_of_the_exporter_alone() -> None:
    stream = written(level="debug")
    logging.getLogger("some.library").info("chatter")
    LOGGER.debug("ours")
    assert "chatter" not in stream.getvalue()
    assert "ours" in stream.getvalue()
    configure("warning", "text", stream)
    LOGGER.info("left out")
    assert "left out" not in stream.getvalue()


def test_a_second_set_up_replaces_the_first() -> None:
    first = written()
    second = written()
    LOGGER.info("once")
    assert first.getvalue() == ""
    assert second.getvalue().count("once") == 1


def test_no_url_and_no_header_of_a_request_is_logged_even_at_debug() -> None:
    stream = written(level="debug")
    answer = httpx.MockTransport(lambda request: httpx.Response(200))
    with httpx.Client(transport=answer) as client:
        client.get("http://gw.example/?q=SECRETMARK", headers={"x-api-key": KEY})
    logging.getLogger("httpcore.http11").debug("send_request_headers %s", {"x-api-key": KEY})
    logging.getLogger("opentelemetry.exporter.otlp").error("reason: SECRETMARK")
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        port = deaf.getsockname()[1]
        pool = urllib3.HTTPConnectionPool("127.0.0.1", port, retries=urllib3.Retry(1))
        with pool, pytest.raises(urllib3.exceptions.MaxRetryError):
            pool.request("GET", "/?q=SECRETMARK")
    assert stream.getvalue() == ""


def test_warnings_of_python_are_logged() -> None:
    stream = written()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn(f"old {KEY}", stacklevel=1)
    assert "old sk-byts-…" in stream.getvalue()


def test_an_uncaught_error_of_a_thread_is_logged_without_its_secret() -> None:
    stream = written()
    log_uncaught()

    def fail() -> None:
        raise ValueError(KEY)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert "A thread stopped by an error in the exporter" in stream.getvalue()
    assert "ValueError: sk-byts-…" in stream.getvalue()


def test_an_uncaught_error_of_the_main_thread_is_logged_and_an_interrupt_is_not() -> None:
    stream = written()
    log_uncaught()
    error = ValueError(KEY)
    sys.excepthook(ValueError, error, None)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt("pressed"), None)
    assert "Stopped by an error in the exporter" in stream.getvalue()
    assert "SECRETMARK" not in stream.getvalue()
    assert "pressed" not in stream.getvalue()

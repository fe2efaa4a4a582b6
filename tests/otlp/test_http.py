"""Exports over HTTP to real receivers."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator

import pytest
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from exporter import __version__
from exporter.config import types as config
from exporter.live import ExportOutcome
from exporter.otlp import ExportResult, OtlpExporter
from exporter.secrets import Secret
from tests.otlp import samples
from tests.otlp.receivers import (
    HttpReceiver,
    Reply,
    black_hole,
    closing_after_each_answer,
    free_port,
    rejecting,
)

TOKEN = "token-3c1f9b7a55"


_OPEN: list[OtlpExporter] = []


@pytest.fixture(autouse=True)
def closed_in_the_end() -> Iterator[None]:
    yield
    while _OPEN:
        _OPEN.pop().close()


def exporter(url: str, **settings: object) -> OtlpExporter:
    otlp = config.Otlp(endpoint=url, **{"timeout": 5.0, **settings})  # type: ignore[arg-type]
    return kept(OtlpExporter(otlp, samples.RESOURCE))


def kept(sender: OtlpExporter) -> OtlpExporter:
    """The exporter, which is closed when the test ends."""
    _OPEN.append(sender)
    return sender


def export_to(*replies: Reply, size: int = 1000, points: int = 1) -> ExportResult:
    with HttpReceiver(*replies) as receiver:
        otlp = config.Otlp(endpoint=receiver.url, headers={"Authorization": Secret(TOKEN)})
        sender = OtlpExporter(otlp, samples.RESOURCE, points_per_request=size)
        result = sender.export(samples.many(points))
        sender.close()
    return result


def test_points_arrive_and_the_connection_is_kept() -> None:
    with HttpReceiver() as receiver:
        sender = exporter(receiver.url)
        results = [sender.export(samples.snapshot()) for _ in range(3)]
        sender.close()
    assert {result.outcome for result in results} == {ExportOutcome.SUCCESS}
    assert len({str(received.client) for received in receiver.received}) == 1
    [resource] = receiver.received[0].request.resource_metrics
    assert resource.scope_metrics[0].metrics[0].name == "bytespike.wallet.balance"


@pytest.mark.parametrize("compression", list(config.Compression))
def test_compression_is_the_configured_one_whatever_the_environment_says(
    compression: config.Compression, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "deflate")
    with HttpReceiver() as receiver:
        result = exporter(receiver.url, compression=compression).export(samples.snapshot())
    assert result.outcome is ExportOutcome.SUCCESS
    told = receiver.received[0].headers.get("content-encoding", "none")
    assert told == compression.value


def test_nothing_of_the_environment_gets_into_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = f"http://127.0.0.1:{free_port()}/wrong"
    for name in ("", "METRICS_"):
        monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}ENDPOINT", wrong)
        monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}HEADERS", "x-env=1,content-type=evil")
        monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}TIMEOUT", "0")
        monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}CERTIFICATE", "/nowhere.pem")
        monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}CLIENT_KEY", "/nowhere.pem")
        monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}CLIENT_CERTIFICATE", "/nowhere.pem")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "from=environment")
    with HttpReceiver() as receiver:
        result = exporter(receiver.url).export(samples.snapshot(samples.cost()))
    assert result.outcome is ExportOutcome.SUCCESS
    [received] = receiver.received
    assert "x-env" not in received.headers
    assert received.headers["content-type"] == "application/x-protobuf"
    [resource] = received.request.resource_metrics
    assert {pair.key for pair in resource.resource.attributes} == set(samples.RESOURCE)
    assert resource.scope_metrics[0].metrics[0].sum.aggregation_temporality == 2


def test_configured_headers_are_sent_and_may_replace_ours() -> None:
    with HttpReceiver() as receiver:
        headers = {"X-Scope-OrgID": Secret("tenant"), "User-Agent": Secret("mine")}
        exporter(receiver.url, headers=headers).export(samples.snapshot())
        exporter(receiver.url).export(samples.snapshot())
    configured, plain = (received.headers for received in receiver.received)
    assert (configured["x-scope-orgid"], configured["user-agent"]) == ("tenant", "mine")
    assert plain["user-agent"] == f"bytespike-exporter/{__version__}"


def test_rejected_points_make_an_export_partial() -> None:
    result = export_to(Reply(body=rejecting(5, f"too old {TOKEN}").SerializeToString()))
    assert result.outcome is ExportOutcome.PARTIAL
    assert result.data_refused
    assert result.error == "the receiver rejected 5 points: too old …"


def test_rejected_points_are_found_in_json_too() -> None:
    told = {"partialSuccess": {"rejectedDataPoints": "2", "errorMessage": "no"}}
    result = export_to(Reply(body=json.dumps(told).encode(), content_type="application/json"))
    assert (result.outcome, result.error) == (
        ExportOutcome.PARTIAL,
        "the receiver rejected 2 points: no",
    )


def test_a_warning_with_nothing_rejected_is_success_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with HttpReceiver(Reply(body=rejecting(0, "use v2").SerializeToString())) as receiver:
        sender = exporter(receiver.url)
        results = [sender.export(samples.snapshot()) for _ in range(2)]
    assert [(result.outcome, result.error) for result in results] == [("success", None)] * 2
    assert [record.getMessage() for record in caplog.records] == [
        "the OTLP receiver took every point and says: use v2"
    ]


@pytest.mark.parametrize("body", [b"", b"{}", b"ok", b'{"partialSuccess": 7}'])
def test_a_2xx_that_says_nothing_readable_is_success(body: bytes) -> None:
    assert export_to(Reply(202, body, "text/plain")).outcome is ExportOutcome.SUCCESS


def test_a_web_page_is_no_success() -> None:
    result = export_to(Reply(body=b"<html>Welcome</html>", content_type="text/html"))
    assert result.outcome is ExportOutcome.FAILURE
    assert "is otlp.endpoint an OTLP receiver?" in str(result.error)


def test_a_huge_answer_is_not_read_and_no_success() -> None:
    result = export_to(Reply(body=b"x" * 5_000_000))
    assert result.outcome is ExportOutcome.FAILURE
    assert "too large" in str(result.error)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_points_refused_by_status_are_said_to_be_refused(status: int) -> None:
    result = export_to(Reply(status))
    assert (result.outcome, result.data_refused) == (ExportOutcome.FAILURE, True)
    assert f"the receiver answered {status} at http://127.0.0.1:" in str(result.error)


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, "are the credentials in otlp.headers right?"),
        (403, "may the credentials in otlp.headers write metrics?"),
        (404, "/v1/metrics: is otlp.endpoint a base URL with the right path?"),
        (429, "it limits what it takes"),
        (500, "the receiver is in trouble"),
        (503, "the receiver is in trouble"),
    ],
)
def test_other_errors_are_failures_with_advice_and_asked_once(status: int, advice: str) -> None:
    with HttpReceiver(Reply(status, headers={"Retry-After": "1"})) as receiver:
        began = time.monotonic()
        result = exporter(receiver.url).export(samples.snapshot())
    assert (result.outcome, result.data_refused) == (ExportOutcome.FAILURE, False)
    assert advice in str(result.error)
    assert len(receiver.received) == 1
    assert time.monotonic() - began < 1.0


@pytest.mark.parametrize(
    "reply",
    [
        Reply(400, Status(code=3, message=f"out of order\n{TOKEN}").SerializeToString()),
        Reply(400, b'{"code": 3, "message": "out of order"}', "application/json"),
    ],
)
def test_the_reason_that_otlp_prescribes_for_errors_is_told(reply: Reply) -> None:
    error = export_to(reply).error or ""
    assert "it says: out of order" in error
    assert TOKEN not in error


@pytest.mark.parametrize("content_type", ["text/plain", "text/html", "application/x-protobuf"])
def test_any_other_body_of_an_error_is_kept_out(content_type: str) -> None:
    assert "secret" not in str(export_to(Reply(502, b"<p>secret</p>", content_type)).error)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_a_failure_and_the_other_host_is_not_contacted(status: int) -> None:
    with HttpReceiver() as other:
        location = other.url.replace("//", "//user:password@") + "?token=abc"
        with HttpReceiver(Reply(status, headers={"Location": location})) as receiver:
            result = exporter(receiver.url).export(samples.snapshot())
    assert other.received == []
    assert (result.outcome, result.data_refused) == (ExportOutcome.FAILURE, False)
    assert f"here to {other.url}" in str(result.error)
    assert "password" not in str(result.error)
    assert "token" not in str(result.error)


def test_a_refused_connection_is_a_quick_failure() -> None:
    url = f"http://127.0.0.1:{free_port()}/v1/metrics"
    began = time.monotonic()
    result = exporter(url).export(samples.snapshot())
    assert time.monotonic() - began < 2.0
    assert result.error == (
        f"no connection to {url}: connection refused; "
        "is otlp.endpoint right, and the receiver running?"
    )


def test_a_host_that_does_not_exist_is_told() -> None:
    result = exporter("http://no-such-host.invalid/v1/metrics").export(samples.snapshot())
    assert result.outcome is ExportOutcome.FAILURE
    assert "no connection to http://no-such-host.invalid/v1/metrics: " in str(result.error)


def test_a_black_hole_costs_the_timeout_and_no_more() -> None:
    with black_hole() as port:
        sender = exporter(f"http://127.0.0.1:{port}/v1/metrics", timeout=0.3)
        began = time.monotonic()
        result = sender.export(samples.snapshot())
        took = time.monotonic() - began
    assert result.error == f"no answer from http://127.0.0.1:{port}/v1/metrics within 0.3 s"
    assert 0.3 <= took < 1.5


def test_a_kept_connection_that_the_receiver_closed_is_opened_again() -> None:
    with closing_after_each_answer() as (url, requests):
        sender = exporter(url)
        results = [sender.export(samples.snapshot()) for _ in range(2)]
    assert {result.outcome for result in results} == {ExportOutcome.SUCCESS}
    assert requests == ["answered", "dropped", "answered"]


def test_a_receiver_that_always_hangs_up_is_asked_twice() -> None:
    with closing_after_each_answer(answers=0) as (url, requests):
        result = exporter(url).export(samples.snapshot())
    assert "no connection to http://127.0.0.1:" in str(result.error)
    assert requests == ["dropped", "dropped"]


def test_requests_are_bounded_and_the_first_failure_ends_the_export() -> None:
    replies = (Reply(), Reply(503), Reply())
    with HttpReceiver(*replies) as receiver:
        otlp = config.Otlp(endpoint=receiver.url)
        sender = kept(OtlpExporter(otlp, samples.RESOURCE, points_per_request=10))
        result = sender.export(samples.many(35))
    assert result.outcome is ExportOutcome.FAILURE
    assert len(receiver.received) == 2


def test_refused_points_do_not_keep_the_others_back() -> None:
    result = export_to(Reply(), Reply(400), Reply(), size=10, points=30)
    assert (result.outcome, result.data_refused) == (ExportOutcome.PARTIAL, True)
    assert "(1 of 3 requests met refusal)" in str(result.error)


def test_an_outage_after_refused_points_is_a_failure_that_may_pass() -> None:
    result = export_to(Reply(400), Reply(503), size=10, points=20)
    assert (result.outcome, result.data_refused) == (ExportOutcome.FAILURE, False)


def test_all_requests_of_an_export_share_one_timeout() -> None:
    ticks = iter(range(0, 1000, 2))
    with HttpReceiver() as receiver:
        sender = kept(
            OtlpExporter(
                config.Otlp(endpoint=receiver.url, timeout=20.0),
                samples.RESOURCE,
                points_per_request=10,
                monotonic=lambda: float(next(ticks)),
            )
        )
        result = sender.export(samples.many(500))
    assert "not every point was sent within 20 s" in (result.error or "")
    assert 0 < len(receiver.received) < 10


def test_nothing_is_sent_after_close() -> None:
    with HttpReceiver() as receiver:
        sender = exporter(receiver.url)
        sender.export(samples.snapshot())
        sender.close()
        sender.close()
        result = sender.export(samples.snapshot())
    assert result.outcome is ExportOutcome.FAILURE
    assert "the exporter is stopping" in str(result.error)
    assert len(receiver.received) == 1


def test_close_does_not_wait_for_an_export_that_hangs() -> None:
    results: list[ExportResult] = []
    with black_hole() as port:
        sender = exporter(f"http://127.0.0.1:{port}/v1/metrics", timeout=1.0)
        thread = threading.Thread(target=lambda: results.append(sender.export(samples.snapshot())))
        thread.start()
        time.sleep(0.2)
        began = time.monotonic()
        sender.close()
        took = time.monotonic() - began
        thread.join(5.0)
    assert took < 0.5
    assert [result.error for result in results] == [
        "the export was given up: the exporter is stopping"
    ]


def test_a_header_that_cannot_be_sent_is_not_told() -> None:
    with HttpReceiver() as receiver:
        headers = {"Authorization": Secret(f"{TOKEN}\r\nevil: 1")}
        result = exporter(receiver.url, headers=headers).export(samples.snapshot())
    assert receiver.received == []
    assert "characters that HTTP does not allow" in str(result.error)


def test_no_log_of_any_level_holds_a_header_value(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said = rejecting(1, f"Bearer {TOKEN}").SerializeToString()
    status = Status(message=TOKEN).SerializeToString()
    for reply in (Reply(), Reply(body=said), Reply(401, status), Reply(503, status)):
        with HttpReceiver(reply) as receiver:
            headers = {"Authorization": Secret(f"Bearer {TOKEN}")}
            result = exporter(receiver.url, headers=headers).export(samples.snapshot())
        assert receiver.received[0].headers["authorization"] == f"Bearer {TOKEN}"
        assert TOKEN not in repr(result)
    assert TOKEN not in caplog.text
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]

"""Exports over HTTP to real receivers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from exporter import __version__
from exporter.config import types as config
from exporter.otlp import ExportResult, OtlpExporter
from exporter.secrets import Secret
from exporter.status import ExportOutcome
from tests.http import Reply
from tests.otlp import samples
from tests.otlp.receivers import (
    HttpReceiver,
    closing_after_each_answer,
    rejecting,
    trickling,
)

TOKEN = "token-3c1f9b7a55"

pytestmark = pytest.mark.anyio

_OPEN: list[OtlpExporter] = []


@pytest.fixture(autouse=True)
async def closed_in_the_end() -> AsyncIterator[None]:
    yield
    while _OPEN:
        await _OPEN.pop().close()


def exporter(url: str, size: int = 1000, **settings: object) -> OtlpExporter:
    """An exporter that is closed when the test ends."""
    otlp = config.Otlp(endpoint=url, **{"timeout": 5.0, **settings})  # type: ignore[arg-type]
    _OPEN.append(OtlpExporter(otlp, samples.RESOURCE, points_per_request=size))
    return _OPEN[-1]


async def export_to(*replies: Reply, size: int = 1000, points: int = 1) -> ExportResult:
    with HttpReceiver(*replies) as receiver:
        sender = exporter(receiver.url, size, headers={"Authorization": Secret(TOKEN)})
        return await sender.export(samples.many(points))


async def test_points_arrive_and_the_connection_is_kept() -> None:
    with HttpReceiver() as receiver:
        sender = exporter(receiver.url)
        results = [await sender.export(samples.snapshot()) for _ in range(3)]
        await sender.close()
    assert {result.outcome for result in results} == {ExportOutcome.SUCCESS}
    assert len({str(received.client) for received in receiver.received}) == 1
    [resource] = receiver.received[0].request.resource_metrics
    assert resource.scope_metrics[0].metrics[0].name == "bytespike.wallet.balance"


@pytest.mark.parametrize("compression", list(config.Compression))
async def test_compression_is_the_configured_one_whatever_the_environment_says(
    compression: config.Compression, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "deflate")
    with HttpReceiver() as receiver:
        result = await exporter(receiver.url, compression=compression).export(samples.snapshot())
    assert result.outcome is ExportOutcome.SUCCESS
    told = receiver.received[0].headers.get("content-encoding", "none")
    assert told == compression.value


async def test_nothing_of_the_environment_gets_into_a_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("", "METRICS_"):
        monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}ENDPOINT", "http://127.0.0.1:1/wrong")
        monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}HEADERS", "x-env=1,content-type=evil")
        monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}CERTIFICATE", "/nowhere.pem")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "from=environment")
    with HttpReceiver() as receiver:
        result = await exporter(receiver.url).export(samples.snapshot(samples.cost()))
    assert result.outcome is ExportOutcome.SUCCESS
    [received] = receiver.received
    assert "x-env" not in received.headers
    assert received.headers["content-type"] == "application/x-protobuf"
    [resource] = received.request.resource_metrics
    assert {pair.key for pair in resource.resource.attributes} == set(samples.RESOURCE)
    assert resource.scope_metrics[0].metrics[0].sum.aggregation_temporality == 2


async def test_configured_headers_are_sent_and_may_replace_ours() -> None:
    with HttpReceiver() as receiver:
        headers = {"X-Scope-OrgID": Secret("tenant"), "User-Agent": Secret("mine")}
        await exporter(receiver.url, headers=headers).export(samples.snapshot())
        await exporter(receiver.url).export(samples.snapshot())
    configured, plain = (received.headers for received in receiver.received)
    assert (configured["x-scope-orgid"], configured["user-agent"]) == ("tenant", "mine")
    assert plain["user-agent"] == f"bytespike-exporter/{__version__}"


async def test_rejected_points_make_an_export_partial() -> None:
    result = await export_to(Reply(body=rejecting(5, f"too old {TOKEN}").SerializeToString()))
    assert result.outcome is ExportOutcome.PARTIAL
    assert result.data_refused
    assert result.error == "the receiver rejected 5 points: too old …"


async def test_a_warning_with_nothing_rejected_is_success_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with HttpReceiver(Reply(body=rejecting(0, "use v2").SerializeToString())) as receiver:
        sender = exporter(receiver.url)
        results = [await sender.export(samples.snapshot()) for _ in range(2)]
    assert [(result.outcome, result.error) for result in results] == [("success", None)] * 2
    assert [record.getMessage() for record in caplog.records] == [
        "the OTLP receiver took every point and says: use v2"
    ]


@pytest.mark.parametrize("body", [b"", b"{}", b"ok", b'{"partialSuccess": 7}'])
async def test_a_2xx_that_says_nothing_readable_is_success(body: bytes) -> None:
    assert (await export_to(Reply(202, body, "text/plain"))).outcome is ExportOutcome.SUCCESS


async def test_a_web_page_is_no_success() -> None:
    result = await export_to(Reply(body=b"<html>Welcome</html>", content_type="text/html"))
    assert result.outcome is ExportOutcome.FAILURE
    assert "is otlp.endpoint an OTLP receiver?" in str(result.error)


async def test_a_huge_answer_is_not_read_and_no_success() -> None:
    result = await export_to(Reply(body=b"x" * 5_000_000))
    assert result.outcome is ExportOutcome.FAILURE
    assert "too large" in str(result.error)


@pytest.mark.parametrize(
    ("status", "refused", "advice"),
    [
        (400, True, "the receiver answered 400 at http://127.0.0.1:"),
        (413, True, "the receiver answered 413 at http://127.0.0.1:"),
        (422, True, "the receiver answered 422 at http://127.0.0.1:"),
        (401, False, "are the credentials in otlp.headers right?"),
        (403, False, "may the credentials in otlp.headers write metrics?"),
        (404, False, "/v1/metrics: is otlp.endpoint a base URL with the right path?"),
        (429, False, "it limits what it takes"),
        (500, False, "the receiver is in trouble"),
        (503, False, "the receiver is in trouble"),
    ],
)
async def test_an_error_is_a_failure_with_advice_and_asked_once(
    status: int, refused: bool, advice: str
) -> None:
    with HttpReceiver(Reply(status, headers={"Retry-After": "1"})) as receiver:
        began = time.monotonic()
        result = await exporter(receiver.url).export(samples.snapshot())
    assert (result.outcome, result.data_refused) == (ExportOutcome.FAILURE, refused)
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
async def test_the_reason_that_otlp_prescribes_for_errors_is_told(reply: Reply) -> None:
    error = (await export_to(reply)).error or ""
    assert "it says: out of order" in error
    assert TOKEN not in error


@pytest.mark.parametrize("content_type", ["text/plain", "text/html", "application/x-protobuf"])
async def test_any_other_body_of_an_error_is_kept_out(content_type: str) -> None:
    assert "secret" not in str((await export_to(Reply(502, b"<p>secret</p>", content_type))).error)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_a_failure_and_the_other_host_is_not_contacted(status: int) -> None:
    with HttpReceiver() as other:
        location = other.url.replace("//", "//user:password@") + "?token=abc"
        with HttpReceiver(Reply(status, headers={"Location": location})) as receiver:
            result = await exporter(receiver.url).export(samples.snapshot())
    assert other.received == []
    assert (result.outcome, result.data_refused) == (ExportOutcome.FAILURE, False)
    assert f"here to {other.url}" in str(result.error)
    assert "password" not in str(result.error)
    assert "token" not in str(result.error)


async def test_a_host_that_does_not_exist_is_told() -> None:
    result = await exporter("http://no-such-host.invalid/v1/metrics").export(samples.snapshot())
    assert result.outcome is ExportOutcome.FAILURE
    assert "no connection to http://no-such-host.invalid/v1/metrics: " in str(result.error)


async def test_a_kept_connection_that_the_receiver_closed_is_opened_again() -> None:
    with closing_after_each_answer() as (url, requests):
        sender = exporter(url)
        results = [await sender.export(samples.snapshot()) for _ in range(2)]
    assert {result.outcome for result in results} == {ExportOutcome.SUCCESS}
    assert requests == ["answered", "dropped", "answered"]


async def test_a_receiver_that_always_hangs_up_is_asked_twice() -> None:
    with closing_after_each_answer(answers=0) as (url, requests):
        result = await exporter(url).export(samples.snapshot())
    assert "no connection to http://127.0.0.1:" in str(result.error)
    assert requests == ["dropped", "dropped"]


async def test_requests_are_bounded_and_the_first_failure_ends_the_export() -> None:
    replies = (Reply(), Reply(503), Reply())
    with HttpReceiver(*replies) as receiver:
        result = await exporter(receiver.url, size=10).export(samples.many(35))
    assert result.outcome is ExportOutcome.FAILURE
    assert len(receiver.received) == 2


async def test_refused_points_do_not_keep_the_others_back() -> None:
    result = await export_to(Reply(), Reply(400), Reply(), size=10, points=30)
    assert (result.outcome, result.data_refused) == (ExportOutcome.PARTIAL, True)
    assert "(1 of 3 requests met refusal)" in str(result.error)


async def test_an_outage_after_refused_points_is_a_failure_that_may_pass() -> None:
    result = await export_to(Reply(400), Reply(503), size=10, points=20)
    assert (result.outcome, result.data_refused) == (ExportOutcome.FAILURE, False)


async def test_all_requests_of_an_export_share_one_timeout() -> None:
    with HttpReceiver(Reply(delay=0.1)) as receiver:
        result = await exporter(receiver.url, size=10, timeout=0.5).export(samples.many(500))
    assert "not every point was sent within 0.5 s" in (result.error or "")
    assert 0 < len(receiver.received) < 10


@pytest.mark.parametrize("trickled", [b"HTTP/1.1 200 OK\r\nx: ", b"HTTP/1.1 200 OK\r\n\r\n"])
async def test_an_answer_that_trickles_in_costs_the_timeout_and_no_more(trickled: bytes) -> None:
    with trickling(trickled) as url:
        began = time.monotonic()
        result = await exporter(url, timeout=0.3).export(samples.snapshot())
    assert result.error == f"no answer from {url} within 0.3 s"
    assert time.monotonic() - began < 1.5

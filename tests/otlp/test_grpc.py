"""Exports over gRPC to a real server."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable

import grpc  # type: ignore[import-untyped]
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)

from exporter.config import types as config
from exporter.otlp import ExportResult, OtlpExporter
from exporter.secrets import Secret
from exporter.status import ExportOutcome
from tests.otlp import samples
from tests.otlp.receivers import GrpcReceiver, rejecting

TOKEN = "token-3c1f9b7a55"

pytestmark = pytest.mark.anyio

Answer = Callable[[grpc.ServicerContext], ExportMetricsServiceResponse]


def exporter(url: str, **settings: object) -> OtlpExporter:
    fields = {"timeout": 5.0, "protocol": config.Protocol.GRPC, **settings}
    return OtlpExporter(config.Otlp(endpoint=url, **fields), samples.RESOURCE)  # type: ignore[arg-type]


async def export_to(answer: Answer) -> ExportResult:
    with GrpcReceiver() as receiver:
        receiver.answer = answer
        sender = exporter(receiver.url, headers={"Authorization": Secret(TOKEN)})
        result = await sender.export(samples.snapshot())
        await sender.close()
    return result


def aborting(code: grpc.StatusCode, details: str = "") -> Answer:
    def answer(context: grpc.ServicerContext) -> ExportMetricsServiceResponse:
        context.abort(code, details)
        raise AssertionError("abort raises")

    return answer


@pytest.mark.parametrize("compression", list(config.Compression))
async def test_points_and_headers_arrive(compression: config.Compression) -> None:
    with GrpcReceiver() as receiver:
        sender = exporter(
            receiver.url, compression=compression, headers={"X-Scope-OrgID": Secret("tenant")}
        )
        results = [await sender.export(samples.snapshot(samples.cost(2.5))) for _ in range(2)]
        await sender.close()
    assert [result.outcome for result in results] == [ExportOutcome.SUCCESS] * 2
    [resource] = receiver.received[0].resource_metrics
    [metric] = resource.scope_metrics[0].metrics
    assert (metric.name, metric.sum.data_points[0].as_double) == ("bytespike.usage.cost", 2.5)
    assert receiver.metadata[0]["x-scope-orgid"] == "tenant"


async def test_rejected_points_make_an_export_partial() -> None:
    result = await export_to(lambda _: rejecting(5, f"too old {TOKEN}"))
    assert (result.outcome, result.data_refused) == (ExportOutcome.PARTIAL, True)
    assert result.error == "the receiver rejected 5 points: too old …"


async def test_a_warning_with_nothing_rejected_is_success() -> None:
    result = await export_to(lambda _: rejecting(0, "use v2"))
    assert (result.outcome, result.error, result.warning) == ("success", None, "use v2")


@pytest.mark.parametrize(
    ("code", "refused"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, True),
        (grpc.StatusCode.UNAUTHENTICATED, False),
        (grpc.StatusCode.PERMISSION_DENIED, False),
        (grpc.StatusCode.UNIMPLEMENTED, False),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, False),
        (grpc.StatusCode.UNAVAILABLE, False),
        (grpc.StatusCode.INTERNAL, False),
        (grpc.StatusCode.UNKNOWN, False),
    ],
)
async def test_an_error_is_a_failure_told_once_and_at_once(
    code: grpc.StatusCode, refused: bool
) -> None:
    began = time.monotonic()
    result = await export_to(aborting(code, f"because of {TOKEN}"))
    assert time.monotonic() - began < 2.0
    assert (result.outcome, result.data_refused) == (ExportOutcome.FAILURE, refused)
    assert f"gRPC {code.name} from http://127.0.0.1:" in str(result.error)
    assert "it says: because of …" in str(result.error)


async def test_the_receiver_coming_back_is_noticed() -> None:
    with GrpcReceiver() as receiver:
        sender = exporter(receiver.url, timeout=0.3)
        receiver.answer = aborting(grpc.StatusCode.UNAVAILABLE)
        down = await sender.export(samples.snapshot())
        assert len(receiver.received) == 1, "an error is not tried again"
        receiver.answer = lambda _: ExportMetricsServiceResponse()
        back = await sender.export(samples.snapshot())
    assert [down.outcome, back.outcome] == [ExportOutcome.FAILURE, ExportOutcome.SUCCESS]


async def test_an_export_that_hangs_ends_at_once_where_it_is_cancelled() -> None:
    release = threading.Event()

    def hang(_: grpc.ServicerContext) -> ExportMetricsServiceResponse:
        release.wait(5.0)
        return ExportMetricsServiceResponse()

    with GrpcReceiver() as receiver:
        receiver.answer = hang
        sender = exporter(receiver.url, timeout=30.0)
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sender.export(samples.snapshot()), 0.2)
        await sender.close()
        took = time.monotonic() - began
        release.set()
    assert took < 2.0


async def test_no_log_of_any_level_holds_a_header_value(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNKNOWN):
        assert TOKEN not in repr(await export_to(aborting(code, TOKEN)))
    assert TOKEN not in caplog.text
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]

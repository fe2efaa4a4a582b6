"""What holds of exports whichever protocol carries them."""

from __future__ import annotations

import time

import pytest

from exporter.config.types import Otlp, Protocol
from exporter.otlp import ExportResult, OtlpExporter
from exporter.secrets import Secret
from exporter.status import ExportOutcome
from tests.otlp import samples
from tests.otlp.receivers import GrpcReceiver, HttpReceiver, black_hole
from tests.peers.process import free_port

RECEIVERS: dict[Protocol, type[GrpcReceiver | HttpReceiver]] = {
    Protocol.GRPC: GrpcReceiver,
    Protocol.HTTP: HttpReceiver,
}
TOKEN = "token-3c1f9b7a55"

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("protocol", list(Protocol))]


async def export(protocol: Protocol, url: str, **settings: object) -> tuple[ExportResult, float]:
    """What became of one export, and how long that took."""
    otlp = Otlp(endpoint=url, protocol=protocol, **{"timeout": 5.0, **settings})  # type: ignore[arg-type]
    sender = OtlpExporter(otlp, samples.RESOURCE)
    began = time.monotonic()
    result = await sender.export(samples.snapshot())
    took = time.monotonic() - began
    await sender.close()
    return result, took


async def test_a_refused_connection_is_a_quick_failure(protocol: Protocol) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    result, took = await export(protocol, url)
    assert took < 2.0
    assert result.outcome is ExportOutcome.FAILURE
    advice = "connection refused; is otlp.endpoint right, and the receiver running?"
    assert ("gRPC UNAVAILABLE" if protocol is Protocol.GRPC else advice) in str(result.error)


async def test_a_black_hole_costs_the_timeout_and_no_more(protocol: Protocol) -> None:
    with black_hole() as port:
        result, took = await export(protocol, f"http://127.0.0.1:{port}", timeout=0.3)
    assert result.outcome is ExportOutcome.FAILURE
    assert 0.3 <= took < 1.5


async def test_nothing_is_sent_after_close(protocol: Protocol) -> None:
    with RECEIVERS[protocol]() as receiver:
        otlp = Otlp(endpoint=receiver.url, protocol=protocol, timeout=5.0)
        sender = OtlpExporter(otlp, samples.RESOURCE)
        await sender.export(samples.snapshot())
        await sender.close()
        await sender.close()
        result = await sender.export(samples.snapshot())
    assert result.outcome is ExportOutcome.FAILURE
    assert "the exporter is stopping" in str(result.error)
    assert len(receiver.received) == 1


async def test_a_header_that_cannot_be_sent_is_not_told(protocol: Protocol) -> None:
    headers = {"authorization": Secret(f"{TOKEN}\r\nevil: 1")}
    with RECEIVERS[protocol]() as receiver:
        result, _ = await export(protocol, receiver.url, headers=headers)
    assert receiver.received == []
    name = "gRPC" if protocol is Protocol.GRPC else "HTTP"
    assert f"characters that {name} does not allow" in str(result.error)
    assert TOKEN not in str(result.error)

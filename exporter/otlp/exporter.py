"""Sends a whole snapshot, in requests of bounded size and within `otlp.timeout`."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from exporter import threads
from exporter.config import types as config
from exporter.live import ExportOutcome
from exporter.metrics.snapshot import Snapshot
from exporter.otlp.receiver import ExportResult, Receiver, failure, partial, success
from exporter.otlp.sdk_points import POINTS_PER_REQUEST, requests_of, resource_of

_log = logging.getLogger(__name__)


class Sender(Protocol):
    """Carries requests to one receiver."""

    async def send(self, request: ExportMetricsServiceRequest) -> ExportResult:
        """Send one request and judge its answer. Takes as long as the receiver does."""

    async def close(self) -> None:
        """Close the connections. The next request opens new ones."""


class OtlpExporter:
    """Sends snapshots, one at a time. Never raises for what a receiver does."""

    def __init__(
        self,
        otlp: config.Otlp,
        resource: dict[str, str],
        *,
        points_per_request: int = POINTS_PER_REQUEST,
    ) -> None:
        """`resource` is the whole resource, `service.*` included."""
        self._timeout = otlp.timeout
        self._resource = resource_of(resource)
        self._size = points_per_request
        headers = {name: value.reveal() for name, value in otlp.headers.items()}
        self._receiver = Receiver(otlp.endpoint, headers)
        self._sender = _sender(otlp, self._receiver)
        self._closed = False
        self._warning: str | None = None

    async def export(self, snapshot: Snapshot) -> ExportResult:
        """Send all points. Success only if every one was accepted.

        Ends at the first request that fails for a reason other than its points, and after
        `otlp.timeout` seconds. Nothing is tried again, whatever `Retry-After` says: the totals
        are cumulative, so the next export says everything.
        """
        if self._closed:
            return failure("the export was given up: the exporter is stopping")
        results: list[ExportResult] = []
        try:
            async with asyncio.timeout(self._timeout):
                result = await self._send(snapshot, results)
        except TimeoutError:
            await self._sender.close()
            result = failure(
                f"not every point was sent within {self._timeout:g} s: the receiver is slow for "
                "so many, raise otlp.timeout"
                if results
                else f"no answer from {self._receiver.shown} within {self._timeout:g} s"
            )
        except Exception as error:  # a fault here or in the SDK must not end the loop of exports
            result = failure(f"the OTLP exporter failed: {type(error).__name__}")
        if result.warning and result.warning != self._warning:  # it warns with every answer
            _log.warning("the OTLP receiver took every point and says: %s", result.warning)
        self._warning = result.warning
        return result

    async def close(self) -> None:
        """Close the connections and let nothing further be sent."""
        self._closed = True
        await self._sender.close()

    async def _send(self, snapshot: Snapshot, results: list[ExportResult]) -> ExportResult:
        """Send every request, and note its result in `results` at once."""
        requests = requests_of(snapshot, self._resource, self._size)
        # Encoding takes 40 µs a point, which nothing else in the event loop should wait for.
        while (request := await threads.call(lambda: next(requests, None))) is not None:
            result = await self._sender.send(request)
            results.append(result)
            if result.outcome is ExportOutcome.FAILURE and not result.data_refused:
                return result
        return _together(results)


def _sender(otlp: config.Otlp, receiver: Receiver) -> Sender:
    if otlp.protocol is config.Protocol.GRPC:
        from exporter.otlp.grpc import GrpcSender  # noqa: PLC0415 (20 MiB, only where chosen)

        return GrpcSender(otlp, receiver)
    from exporter.otlp.http import HttpSender  # noqa: PLC0415 (not needed by gRPC)

    return HttpSender(otlp, receiver)


def _together(results: list[ExportResult]) -> ExportResult:
    """The result of an export whose requests were all answered."""
    refusals = [result for result in results if result.data_refused]
    if not refusals:
        return success(next((result.warning for result in results if result.warning), None))
    error = refusals[0].error or ""
    if len(results) > 1:
        error += f" ({len(refusals)} of {len(results)} requests met refusal)"
    if all(result.outcome is ExportOutcome.FAILURE for result in results):
        return failure(error, data_refused=True)
    return partial(error)

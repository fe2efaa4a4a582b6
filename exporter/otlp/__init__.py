"""Points → official OTLP exporter, with the truth about the result.

::

    points.py   a snapshot's points → OTLP requests of bounded size
    http.py     one request over HTTP; grpc.py over gRPC, imported only where it is chosen
    target.py   endpoint and headers, as both send and show them
    answers.py  what a receiver's answer means; troubles.py why there is none
    proxies.py  which proxy is on the way
    words.py    what may be shown of foreign text
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from exporter.config.types import Otlp
from exporter.config.types import Protocol as Carrier
from exporter.live import ExportOutcome
from exporter.metrics.snapshot import Snapshot
from exporter.otlp.points import POINTS_PER_REQUEST, requests_of, resource_of
from exporter.otlp.result import ExportResult, failure, partial, success

__all__ = ["ExportResult", "OtlpExporter"]

_log = logging.getLogger(__name__)


class Sender(Protocol):
    """Carries requests to one receiver."""

    def send(self, request: ExportMetricsServiceRequest, deadline: float) -> ExportResult:
        """One request, given up at `deadline` (monotonic seconds)."""

    def close(self) -> None:
        """Interrupt what can be interrupted; nothing is sent afterwards."""


class OtlpExporter:
    """Sends snapshots. Blocking; one caller at a time; never raises for what a receiver does."""

    def __init__(
        self,
        config: Otlp,
        resource: dict[str, str],
        *,
        points_per_request: int = POINTS_PER_REQUEST,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`resource` is the whole resource, `service.*` included."""
        # It throttle what `export` returns, several times, and a header that it cannot read.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
        self._config = config
        self._resource = resource_of(resource)
        self._size = points_per_request
        self._monotonic = monotonic
        self._sender = _sender(config, monotonic)
        self._closed = False
        self._warning: str | None = None

    def export(self, snapshot: Snapshot) -> ExportResult:
        """Send all points, in requests of bounded size. Success only if every one was accepted.

        Ends at the first request that fails for a reason other than its points, and within
        about `otlp.timeout` seconds. Nothing is tried again: the totals are cumulative, so the
        next export says everything.
        """
        try:
            result = self._export(snapshot)
        except Exception as error:  # a fault here or in the SDK must not end the loop of exports
            result = failure(f"the OTLP exporter failed: {type(error).__name__}")
        if self._closed and result.outcome is ExportOutcome.FAILURE:
            return failure("the export was given up: the exporter is stopping")
        self._tell(result.warning)
        return result

    def close(self) -> None:
        """Give up what is under way (a waiting retry included) and release connections."""
        if not self._closed:
            self._closed = True
            self._sender.close()

    def _export(self, snapshot: Snapshot) -> ExportResult:
        deadline = self._monotonic() + self._config.timeout
        results: list[ExportResult] = []
        for request in requests_of(snapshot, self._resource, self._size):
            if self._monotonic() >= deadline:
                return failure(
                    f"not every point was sent within {self._config.timeout:g} s: the receiver is "
                    "slow for so many, raise otlp.timeout"
                )
            results.append(self._sender.send(request, deadline))
            if results[-1].outcome is ExportOutcome.FAILURE and not results[-1].data_refused:
                return results[-1]
        return _together(results)

    def _tell(self, warning: str | None) -> None:
        """A receiver warns with every answer; the log needs it once."""
        if warning and warning != self._warning:
            _log.warning("the OTLP receiver took every point and says: %s", warning)
        self._warning = warning


def _sender(config: Otlp, monotonic: Callable[[], float]) -> Sender:
    if config.protocol is Carrier.GRPC:
        from exporter.otlp.grpc import GrpcSender  # noqa: PLC0415 (20 MiB, only where chosen)

        return GrpcSender(config, monotonic)
    from exporter.otlp.http import HttpSender  # noqa: PLC0415 (not needed by gRPC)

    return HttpSender(config, monotonic)


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

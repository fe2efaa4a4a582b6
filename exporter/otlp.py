"""Points → official OTLP exporter, with the truth about the result."""

from __future__ import annotations

import msgspec

from exporter.board import ExportOutcome
from exporter.config import Otlp
from exporter.snapshot import Snapshot


class ExportResult(msgspec.Struct, frozen=True):
    """How one export ended.

    `error` says what happened and what to do, None on success. `data_refused`: the receiver
    answered and refused (some of) the points themselves, so that sending them again is no use.
    """

    outcome: ExportOutcome
    error: str | None = None
    data_refused: bool = False


class OtlpExporter:
    """Sends snapshots. Blocking; one caller at a time; never raises for what a receiver does."""

    def __init__(self, config: Otlp, resource: dict[str, str]) -> None:
        """`resource` is the whole resource, `service.*` included."""
        raise NotImplementedError

    def export(self, snapshot: Snapshot) -> ExportResult:
        """Send all points, in requests of bounded size. Success only if every one was accepted."""
        raise NotImplementedError

    def close(self) -> None:
        """Give up what is under way (a waiting retry included) and release connections."""
        raise NotImplementedError

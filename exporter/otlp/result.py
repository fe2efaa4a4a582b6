"""How an export ended, in the words that the status page and the log show."""

from __future__ import annotations

import msgspec

from exporter.live import ExportOutcome


class ExportResult(msgspec.Struct, frozen=True):
    """How one export ended.

    `error` says what happened and what to do, None on success. `data_refused`: the receiver
    answered and refused (some of) the points themselves, so that sending them again is no use.
    `warning` is what a receiver said although it took every point.
    """

    outcome: ExportOutcome
    error: str | None = None
    data_refused: bool = False
    warning: str | None = None


def success(warning: str | None = None) -> ExportResult:
    """Every point was accepted."""
    return ExportResult(ExportOutcome.SUCCESS, warning=warning)


def partial(error: str) -> ExportResult:
    """Some points were accepted and some were refused for good."""
    return ExportResult(ExportOutcome.PARTIAL, error, data_refused=True)


def failure(error: str, *, data_refused: bool = False) -> ExportResult:
    """No point is known to be accepted."""
    return ExportResult(ExportOutcome.FAILURE, error, data_refused)

"""From the start of the process to its first export."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from benchmarks.environment import ROOT, base_environ, runtime_python
from benchmarks.gateway import gateway
from benchmarks.processes import Child
from benchmarks.report import Row, spread
from benchmarks.sink import http_sink
from benchmarks.subject import Subject, wait_until

_LONGEST = 0.6
_IMPORTS = "import exporter.cli, exporter.config.load, exporter.daemon, exporter.otlp.http"


def measure(directory: Path, runs: int) -> list[Row]:
    """The time until a receiver has read the first export, and what of it are imports."""
    exports: list[float] = []
    imports: list[float] = []
    with gateway(directory) as source, http_sink() as (endpoint, sink):
        for number in range(runs):
            subject = Subject(directory / f"start-{number}", source, endpoint)
            known = len(sink.arrivals)
            with subject.run() as child:
                wait_until(lambda known=known: len(sink.arrivals) > known, child, 30.0)  # type: ignore[misc]
                exports.append(sink.arrivals[known] - child.started)
            imports.append(_python(directory, _IMPORTS) - _python(directory, "pass"))
    return [
        Row(
            "start to first export, local gateway",
            f"≤ {_LONGEST} s",
            spread(exports, "s"),
            median(exports) <= _LONGEST,
            f"From the start of the process to the receiver having read the first request; its "
            f"imports take {spread(imports, 's')} of it, beside bare Python. {runs} starts.",
        )
    ]


def _python(directory: Path, code: str) -> float:
    with Child([runtime_python(), "-c", code], base_environ(ROOT), directory / "log") as child:
        return child.finish(30.0).wall

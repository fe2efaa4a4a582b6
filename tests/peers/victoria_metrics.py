"""VictoriaMetrics, which takes OTLP over HTTP and answers PromQL."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.peers.missing import VICTORIA_METRICS, require
from tests.peers.promql import PromQl, Sample


class Series(NamedTuple):
    """One stored series: labels, `__name__` included, and (Unix ms, value) in order of time."""

    labels: dict[str, str]
    samples: list[tuple[int, float]]


class VictoriaMetrics(PromQl):
    """One running VictoriaMetrics with an empty store."""

    def command(self) -> Sequence[str | Path]:
        return [
            require(VICTORIA_METRICS),
            "-httpListenAddr=127.0.0.1:0",
            f"-storageDataPath={self.folder / 'store'}",
            "-opentelemetry.usePrometheusNaming",
            # What was just written is what a test asks for.
            "-search.latencyOffset=0s",
            "-search.disableCache",
            "-memory.allowedBytes=200MB",
            "-retentionPeriod=10y",
        ]

    def started(self) -> None:
        self.url = self.logged(r"started server at (http://127\.0\.0\.1:\d+)/")
        self.endpoint = f"{self.url}/opentelemetry/v1/metrics"
        """Where `otlp.endpoint` points."""

    def flush(self) -> None:
        """Make everything that was received visible to queries."""
        self.get("/internal/force_flush")

    def query(self, expression: str) -> list[Sample]:
        self.flush()
        return super().query(expression)

    def stored(self, selector: str) -> list[Series]:
        """Every raw sample of the series that match, sorted by labels."""
        self.flush()
        parameters = {"match[]": selector, "start": "0", "end": str(time.time() + 60)}
        lines = self.get("/api/v1/export", **parameters).text.splitlines()
        series = []
        for line in lines:
            parsed = json.loads(line)
            samples = sorted(zip(parsed["timestamps"], parsed["values"], strict=True))
            series.append(Series(parsed["metric"], samples))
        return sorted(series, key=lambda one: sorted(one.labels.items()))

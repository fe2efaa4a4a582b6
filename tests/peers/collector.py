"""The OpenTelemetry Collector: OTLP over HTTP and gRPC into files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.peers.missing import COLLECTOR, require
from tests.peers.process import Peer, free_port


class Received(NamedTuple):
    """One point as the Collector wrote it. Instants in Unix ns; `start_ns` 0 where not set.

    `kind` is `gauge`, `sum` or `histogram`; the value of a histogram is its sum.
    """

    name: str
    unit: str
    kind: str
    attributes: dict[str, str]
    resource: dict[str, str]
    start_ns: int
    time_ns: int
    value: float


class Collector(Peer):
    """One running Collector.

    `initial_value` is what cumulativetodelta does with a series' first point: `auto` (drop it
    if it began before the Collector), `keep` or `drop`.
    """

    def __init__(self, folder: Path, initial_value: str = "auto") -> None:
        super().__init__(folder)
        self._initial_value = initial_value
        self._cumulative = folder / "cumulative.json"
        self._delta = folder / "delta.json"
        self._grpc, self._http = free_port(), free_port()
        self.grpc = f"http://127.0.0.1:{self._grpc}"
        """Where `otlp.endpoint` points for gRPC."""
        self.http = f"http://127.0.0.1:{self._http}"
        """Where `otlp.endpoint` points for HTTP."""

    def command(self) -> Sequence[str | Path]:
        binary = require(COLLECTOR)
        config = self.folder / "collector.json"
        config.write_text(json.dumps(self._config()), encoding="utf-8")  # JSON is YAML
        return [binary, f"--config=file:{config}"]

    def _config(self) -> dict[str, object]:
        protocols = {
            "grpc": {"endpoint": f"127.0.0.1:{self._grpc}"},
            "http": {"endpoint": f"127.0.0.1:{self._http}"},
        }
        cumulative = {"receivers": ["otlp"], "exporters": ["file/cumulative"]}
        delta = {
            "receivers": ["otlp"],
            "processors": ["cumulativetodelta"],
            "exporters": ["file/delta"],
        }
        return {
            "receivers": {"otlp": {"protocols": protocols}},
            "processors": {"cumulativetodelta": {"initial_value": self._initial_value}},
            "exporters": {
                "file/cumulative": {"path": str(self._cumulative)},
                "file/delta": {"path": str(self._delta)},
            },
            "service": {
                "telemetry": {"metrics": {"level": "none"}},
                "pipelines": {"metrics/cumulative": cumulative, "metrics/delta": delta},
            },
        }

    def started(self) -> None:
        self.logged(r"(Everything is ready)")

    def points(self) -> list[Received]:
        """Every point that has arrived so far, in order of arrival."""
        return list(_read(self._cumulative))

    def deltas(self) -> list[Received]:
        """What cumulativetodelta made of them: a sum's value is its growth."""
        return list(_read(self._delta))


def _read(path: Path) -> Iterator[Received]:
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    for line in text.splitlines(keepends=True):
        if not line.endswith("\n"):
            return  # still being written
        for resource in json.loads(line).get("resourceMetrics", []):
            names = _attributes(resource.get("resource", {}))
            for scope in resource["scopeMetrics"]:
                for metric in scope["metrics"]:
                    yield from _points(metric, names)


def _points(metric: dict[str, Any], resource: dict[str, str]) -> Iterator[Received]:
    kind = next(kind for kind in ("gauge", "sum", "histogram") if kind in metric)
    for point in metric[kind]["dataPoints"]:
        value = next(point[key] for key in ("asDouble", "asInt", "sum") if key in point)
        yield Received(
            name=metric["name"],
            unit=metric.get("unit", ""),
            kind=kind,
            attributes=_attributes(point),
            resource=resource,
            start_ns=int(point.get("startTimeUnixNano", 0)),
            time_ns=int(point["timeUnixNano"]),
            value=float(value),
        )


def _attributes(holder: dict[str, Any]) -> dict[str, str]:
    return {
        attribute["key"]: str(next(iter(attribute["value"].values())))
        for attribute in holder.get("attributes", [])
    }

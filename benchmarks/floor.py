"""What the libraries need that are there in any case, without a line of the exporter.

`python floor.py` imports them and prints its own `/proc/self/status`. With URL and OTLP as
arguments it also uses each of them once before: a poll with httpx, an export with the SDK's
exporter. Both load as much again only then. With `authorities` it loads the certificates instead.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from pathlib import Path

import httpx
import yaml
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import MetricsData


async def _poll(url: str) -> None:
    async with httpx.AsyncClient() as client:
        await client.get(url)


def _use(url: str, otlp: str) -> None:
    asyncio.run(_poll(url))
    yaml.safe_load("a: 1")
    sqlite3.connect(":memory:").execute("SELECT 1")
    OTLPMetricExporter(endpoint=f"{otlp}/v1/metrics").export(MetricsData([]))


if __name__ == "__main__":
    if sys.argv[1:] == ["authorities"]:
        trust = httpx.create_ssl_context(trust_env=False)
    elif sys.argv[1:]:
        _use(*sys.argv[1:])
    print(Path("/proc/self/status").read_text())

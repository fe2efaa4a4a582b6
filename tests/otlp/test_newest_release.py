"""The newest release of the SDK that the index gives encodes and carries our exports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.otlp.receivers import GrpcReceiver, HttpReceiver
from tests.peers.missing import missing

NEWEST = ("opentelemetry-sdk", "opentelemetry-exporter-otlp")

EXPORT_TWICE = """
import asyncio, sys
from exporter.config import types as config
from exporter.otlp import OtlpExporter
from tests.otlp import samples

async def export(protocol, url):
    sender = OtlpExporter(config.Otlp(protocol=protocol, endpoint=url), samples.RESOURCE)
    points = samples.cost(2.5), samples.balance(), samples.duration(0.1)
    result = await sender.export(samples.snapshot(*points, zeros=(samples.zero(points[0]),)))
    await sender.close()
    print(result.error or result.outcome)

for protocol, url in zip(config.Protocol, sys.argv[1:], strict=True):
    asyncio.run(export(protocol, url))
"""


@pytest.fixture(scope="module")
def newest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the newest releases and all that they need."""
    folder = tmp_path_factory.mktemp("newest")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    options = ["--retries", "0", "--timeout", "15", "--target", str(folder)]
    done = subprocess.run(
        [*pip, *options, *NEWEST], capture_output=True, text=True, timeout=150, check=False
    )
    if done.returncode:
        missing("newest OpenTelemetry SDK", f"the index does not give it: {done.stderr[-300:]}")
    return folder


def test_the_newest_release_encodes_and_exports_over_http_and_grpc(newest: Path) -> None:
    with HttpReceiver() as http, GrpcReceiver() as grpc:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", EXPORT_TWICE, http.url, grpc.url],
            env=os.environ | {"PYTHONPATH": f"{newest}{os.pathsep}{os.getcwd()}"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.stdout.split(), done.stderr) == (["success", "success"], "")
    assert http.received[0].request == grpc.received[0]
    [resource] = grpc.received[0].resource_metrics
    assert [metric.name for metric in resource.scope_metrics[0].metrics] == [
        "bytespike.usage.cost",
        "bytespike.wallet.balance",
        "bytespike.exporter.poll.duration",
    ]
